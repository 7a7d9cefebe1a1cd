/**
 * Checks the issued certificate and makes it, with its key, the current pair. Nothing is replaced before every check has
 * passed and, where a good pair is in force, the API server has taken the new one for this node once. Without one it is
 * installed first, so that no crash and no outage can lose it, and tried out in its place (recheck).
 */
import { isAutomatic } from '../../findings/trade-offs.ts'
import { firstApproval, NODES_GROUP } from '../../kube/certificate-signing-request.ts'
import type { ApiServer } from '../../kube/api-request.ts'
import { rootsOf } from '../../kube/cluster.ts'
import { requireAuthentication } from '../../kube/own-node.ts'
import { asBootstrapError, BootstrapError } from '../../lib/errors.ts'
import { timestamp } from '../../lib/timestamp.ts'
import { certificateToPem, type Certificate } from '../../pki/certificate.ts'
import { subjectPublicKeyInfo } from '../../pki/private-key.ts'
import { removeAskedRenewal } from '../../store/asked-renewal.ts'
import { writeClusterRecord } from '../../store/cluster-record.ts'
import { installPair } from '../../store/certificate-pair.ts'
import { removePendingRequest } from '../../store/pending-request.ts'
import { pairPlace, stateDirectory } from '../certificate-kind.ts'
import { pendingRequest, verifiedCluster, type ActionContext } from '../context.ts'
import { standingOf } from '../decide.ts'
import { nodeSubject } from '../desired.ts'
import { checkIssuedCertificate } from '../issued-certificate.ts'
import { keepRefusal } from './request.ts'

/** Beyond this, a certificate that is out of its time means that a clock is wrong rather than that it is stale. */
const CLOCK_AHEAD_MS = 60 * 1000

export async function install(context: ActionContext): Promise<void> {
  const { ports, configuration, kind, certificateMemory } = context
  const pending = pendingRequest(context)
  const chain = await checkedChain(context)
  if (chain === undefined) return
  const [leaf] = chain
  const nowMs = ports.clock.nowMs()
  if (nowMs < leaf.notBeforeMs || nowMs >= leaf.notAfterMs) {
    await hearTheTime(context)
    throw await outOfItsTime(context, leaf, nowMs)
  }
  const chainPem = chain.map(certificateToPem).join('')
  const isIdentity = kind.name === 'client'
  const isTriedOut = isIdentity && isInForce(context, nowMs)
  if (isTriedOut) await tryOut(context, chainPem)
  if (isIdentity) await recordApproval(context)
  const place = pairPlace(configuration.files, kind)
  const path = await installPair(ports.files, place, chainPem, pending.key, nowMs)
  certificateMemory.installedFingerprint = leaf.fingerprint
  if (isIdentity) rememberIdentity(context, leaf, isTriedOut, nowMs)
  const state = stateDirectory(configuration.files, kind)
  if (isTriedOut || !isIdentity) await removePendingRequest(ports.files, state)
  await removeAskedRenewal(ports.files, state)
  certificateMemory.request = undefined
  ports.log.info(`the ${kind.title} is installed`, { path, notAfter: timestamp(leaf.notAfterMs) })
}

function rememberIdentity({ memory }: ActionContext, leaf: Certificate, isTriedOut: boolean, nowMs: number): void {
  if (isTriedOut) memory.authentication = { fingerprint: leaf.fingerprint, kind: 'accepted', atMs: nowMs }
  // A bundle may have been held back for the sake of the certificate before.
  if (memory.nextRecheckMs !== undefined) memory.nextRecheckMs = nowMs
}

/** That a cluster lets machines in by itself is told as long as the node is its node, also after a restart. */
async function recordApproval(context: ActionContext): Promise<void> {
  const { ports, configuration, certificate } = context
  const record = verifiedCluster(context)
  const approval = firstApproval(certificate.request)
  if (
    approval === undefined ||
    isAutomatic(approval) === (record.approval !== undefined && isAutomatic(record.approval))
  )
    return
  await writeClusterRecord(ports.files, configuration.files.state, { ...record, approval })
}

/** Whether there is a pair to lose. */
const isInForce = ({ seen }: ActionContext, nowMs: number): boolean =>
  ['fresh', 'due', 'refused'].includes(standingOf(seen.identity, nowMs))

/** The first use of the new pair: while it fails, the old one stays what the kubelet uses. */
async function tryOut(context: ActionContext, certificateChain: string): Promise<void> {
  const { ports, configuration, signal } = context
  const { cluster } = verifiedCluster(context)
  const identity = { certificateChain, privateKey: pendingRequest(context).key }
  const api: ApiServer = {
    server: cluster.server,
    trust: { roots: rootsOf(cluster) },
    credential: { kind: 'certificate', identity },
  }
  await requireAuthentication(ports.client, api, configuration.node.name, signal)
}

/** Undefined where the certificate is not what was asked for: that is kept as a refusal, and its request is not asked again. */
async function checkedChain(context: ActionContext): Promise<[Certificate, ...Certificate[]] | undefined> {
  const outcome = context.certificate.request?.outcome
  if (outcome?.kind !== 'issued') throw new BootstrapError('internal', 'there is no certificate to install')
  const subject = nodeSubject(context.configuration)
  try {
    return checkIssuedCertificate(outcome.certificate, {
      spki: subjectPublicKeyInfo(pendingRequest(context).key),
      commonName: subject.commonName,
      organization: NODES_GROUP,
      purpose: context.kind.purpose.oid,
      names: pendingRequest(context).names,
      cluster: verifiedCluster(context).cluster,
    })
  } catch (thrown) {
    const error = asBootstrapError(thrown)
    if (error.code === 'internal') throw error
    await keepRefusal(context, 'unusable', error.code, error.message)
    return undefined
  }
}

/** Any answer tells the time, a refusal too. Throws where there is none: then nobody knows whose clock is wrong. */
async function hearTheTime(context: ActionContext): Promise<void> {
  const { client } = context.ports
  const { cluster } = verifiedCluster(context)
  const trust = { roots: rootsOf(cluster) }
  const api: ApiServer = { server: cluster.server, trust, credential: { kind: 'anonymous' } }
  client.forgetClockSkew()
  try {
    await client.request(api, { method: 'GET', path: '/version', signal: context.signal })
  } catch (thrown) {
    if (client.clockSkewMs === undefined) throw thrown
  }
}

/** Either clock may be wrong, or the certificate lay there until it lapsed: only then is its key given up. */
async function outOfItsTime(
  { ports, configuration, kind, certificateMemory }: ActionContext,
  leaf: Certificate,
  nowMs: number,
): Promise<BootstrapError> {
  const skewMs = ports.client.clockSkewMs ?? 0
  const validity = `${timestamp(leaf.notBeforeMs)} to ${timestamp(leaf.notAfterMs)}`
  const clocks = `here it is ${timestamp(nowMs)}, there ${timestamp(nowMs + skewMs)}`
  if (nowMs < leaf.notBeforeMs || skewMs < -CLOCK_AHEAD_MS)
    return new BootstrapError('clock-skewed', `the issued certificate is valid from ${validity}; ${clocks}`)
  await removePendingRequest(ports.files, stateDirectory(configuration.files, kind))
  certificateMemory.request = undefined
  return new BootstrapError(
    'certificate-lapsed',
    `the issued certificate had lapsed before it was fetched: valid from ${validity}`,
  )
}
