/** Looks at the disk and says what is there, judged against today's configuration. It changes nothing. */
import type { JoinConfiguration } from '../config/index.ts'
import { violationsOf } from '../findings/policy.ts'
import { tradeOffs } from '../findings/trade-offs.ts'
import { caBundle, type Cluster } from '../kube/cluster.ts'
import { firstApproval, NODES_GROUP } from '../kube/certificate-signing-request.ts'
import type { Files } from '../lib/ports.ts'
import { certificateSigningRequestName } from '../pki/certificate-signing-request.ts'
import { keyAlgorithmOf, subjectPublicKeyInfo } from '../pki/private-key.ts'
import { readAskedRenewal } from '../store/asked-renewal.ts'
import { readCurrentPair } from '../store/client-identity.ts'
import { readClusterRecord, type ClusterRecord } from '../store/cluster-record.ts'
import { readText } from '../store/durable-file.ts'
import { readHookRecord } from '../store/hook-record.ts'
import { readPendingRequest, readRefusal, type PendingRequest, type Refusal } from '../store/pending-request.ts'
import { expirationSeconds, kubeconfigText, nodeSubject } from './desired.ts'
import { configurationDigest, discoveryDigest } from './digests.ts'
import { discoveryInputsDigest } from './discovery-inputs.ts'
import { exposures } from './exposure.ts'
import { mismatch } from './issued-certificate.ts'
import type { Memory, Observed, SeenIdentity, SeenTrust } from './observed.ts'
import { dueHooks } from './hooks.ts'
import { rotationDeadline } from './rotation.ts'

/** `configurationPath` is that of join.yaml. */
export async function observe(
  files: Files,
  configuration: JoinConfiguration,
  configurationPath: string,
  memory: Memory,
): Promise<Observed> {
  const { state, certificates } = configuration.files
  const trust = await seeTrust(files, configuration, memory)
  const cluster = trust.kind === 'unknown' ? undefined : trust.record.cluster
  const recorded = await readRefusal(files, state)
  const refusal = stands(recorded, configuration, memory) ? recorded : undefined
  const underWay = ours(await readPendingRequest(files, state), configuration)
  const identity = await seeIdentity(files, certificates, configuration, cluster, await readAskedRenewal(files, state))
  const pending = isSpent(underWay, identity, refusal === undefined ? recorded : undefined) ? undefined : underWay
  const request = pending !== undefined && memory.request?.name === pending.name ? memory.request : undefined
  const record = trust.kind === 'unknown' ? undefined : trust.record
  const findings = tradeOffs({
    configuration,
    exposures: await exposures(files, configuration, configurationPath),
    cluster,
    approval: firstApproval(request) ?? record?.approval,
    acceptedToken: memory.acceptedToken,
  })
  return {
    trust,
    rediscoveryFailed: memory.rediscoveryFailed,
    identity,
    published: cluster !== undefined && (await isPublished(files, configuration, cluster)),
    hooks:
      identity.kind === 'ours'
        ? dueHooks(configuration.hooks, await readHookRecord(files, state), identity.pair.certificate.fingerprint)
        : undefined,
    pending,
    request,
    refusal,
    findings,
    violations: violationsOf(findings, configuration.policy.require),
  }
}

async function seeTrust(files: Files, configuration: JoinConfiguration, memory: Memory): Promise<SeenTrust> {
  const record = await readClusterRecord(files, configuration.files.state)
  if (record === undefined) return { kind: 'unknown' }
  const isCurrent =
    !memory.doubtsCluster &&
    record.configurationDigest === discoveryDigest(configuration) &&
    (await hasSameInputs(files, configuration, record))
  return { kind: isCurrent ? 'verified' : 'outdated', record }
}

async function hasSameInputs(files: Files, configuration: JoinConfiguration, record: ClusterRecord): Promise<boolean> {
  const inputsDigest = await discoveryInputsDigest(files, configuration)
  return inputsDigest === undefined || inputsDigest === record.inputsDigest
}

async function seeIdentity(
  files: Files,
  directory: string,
  configuration: JoinConfiguration,
  cluster: Cluster | undefined,
  askedRenewal: string | undefined,
): Promise<SeenIdentity> {
  const stored = await readCurrentPair(files, directory)
  if (stored.kind === 'absent') return { kind: 'absent' }
  if (stored.kind === 'broken') return { kind: 'unusable', problem: stored.problem }
  if (cluster === undefined) return { kind: 'unusable', problem: 'belongs to a cluster that is not verified yet' }
  const { pair } = stored
  const { commonName } = nodeSubject(configuration)
  const problem = mismatch(pair.certificate, pair.intermediates, {
    spki: pair.certificate.spki,
    commonName,
    organization: NODES_GROUP,
    cluster,
  })
  if (problem !== undefined) return { kind: 'unusable', problem }
  const { owner, window } = configuration.certificate.rotation
  const { fingerprint, notBeforeMs, notAfterMs } = pair.certificate
  // Where the kubelet renews, the agent takes part again only when the certificate has lapsed.
  if (owner === 'kubelet') return { kind: 'ours', pair, rotateAtMs: notAfterMs }
  // What the operator wants renewed has been due from its first moment on, whatever the clock says by now.
  return { kind: 'ours', pair, rotateAtMs: askedRenewal === fingerprint ? notBeforeMs : rotationDeadline(pair, window) }
}

async function isPublished(files: Files, configuration: JoinConfiguration, cluster: Cluster): Promise<boolean> {
  const { ca, kubeconfig } = configuration.files
  return (
    (await readText(files, ca)) === caBundle(cluster) &&
    (await readText(files, kubeconfig)) === kubeconfigText(configuration, cluster)
  )
}

/** A request under way counts only while it asks for what today's configuration wants. */
function ours(pending: PendingRequest | undefined, configuration: JoinConfiguration): PendingRequest | undefined {
  if (pending === undefined) return undefined
  const { keyAlgorithm, durationMs } = configuration.certificate
  const spki = subjectPublicKeyInfo(pending.key)
  const name = certificateSigningRequestName({ spki, subject: nodeSubject(configuration), usages: pending.usages })
  const isWanted =
    name === pending.name &&
    keyAlgorithmOf(pending.key) === keyAlgorithm &&
    pending.expirationSeconds === expirationSeconds(durationMs)
  return isWanted ? pending : undefined
}

/** A key is for one certificate: where its own is installed, or was refused and that no longer stands, another one is made. */
function isSpent(pending: PendingRequest | undefined, identity: SeenIdentity, overcome: Refusal | undefined): boolean {
  if (pending === undefined) return false
  return overcome?.name === pending.name || (identity.kind === 'ours' && identity.pair.key.equals(pending.key))
}

function stands(refusal: Refusal | undefined, configuration: JoinConfiguration, memory: Memory): boolean {
  return !memory.retryRefused && refusal?.configurationDigest === configurationDigest(configuration)
}
