/**
 * Asks the cluster whether all is as it was: does the API server still take the certificate for this node, and is the CA
 * bundle still the one in force? A new bundle that loses nothing is written to cluster.json, from where `publish` takes it.
 */
import type { Discovered, KubeconfigDocument } from '../../discovery/discovered.ts'
import { publishedAuthorities } from '../../discovery/published-authorities.ts'
import { stopsJoining } from '../../findings/policy.ts'
import { caCertHashes, type Cluster } from '../../kube/cluster.ts'
import { requireAuthentication } from '../../kube/own-node.ts'
import { EXIT } from '../../lib/error-codes.ts'
import { asBootstrapError, BootstrapError } from '../../lib/errors.ts'
import { timestamp } from '../../lib/timestamp.ts'
import { writeClusterRecord, type ClusterRecord } from '../../store/cluster-record.ts'
import { removePendingRequest } from '../../store/pending-request.ts'
import { areSameAuthorities, distinctAuthorities, requireSuccessor } from '../ca-bundle.ts'
import { apiServer, verifiedCluster, type ActionContext } from '../context.ts'
import { recheckIntervalMs, REFUSAL_RECHECK_MS } from '../errands.ts'
import type { Memory, SeenBundle } from '../observed.ts'
import { findCluster } from './discover.ts'

/** Throws what kept the question about the certificate from being answered. */
export async function recheck(context: ActionContext): Promise<void> {
  const { memory, ports, configuration } = context
  memory.authentication = await askAboutCertificate(context)
  const isAccepted = memory.authentication.kind === 'accepted'
  if (isAccepted && context.seen.isUntried) await removePendingRequest(ports.files, configuration.files.state)
  const isOnlyAsked = memory.nextRecheckMs === undefined
  if (isOnlyAsked && isAccepted) return
  const pauseMs = isAccepted ? recheckIntervalMs(ports.random.fraction()) : REFUSAL_RECHECK_MS
  memory.nextRecheckMs = ports.clock.nowMs() + pauseMs
  if (isOnlyAsked) return
  // Where the bundle is read from may be silent for long: the answer is told before.
  if (memory.failedRecheck !== undefined && !isOfThisMachine(memory.failedRecheck.error))
    memory.failedRecheck = undefined
  context.onProgress()
  memory.bundle = await lookAtBundle(context)
}

/** What a look at the bundle fails with: all else leaves the one in force as good as it was. */
const isOfThisMachine = ({ exitStatus }: BootstrapError): boolean =>
  exitStatus === EXIT.storage || exitStatus === EXIT.software

async function askAboutCertificate(context: ActionContext): Promise<NonNullable<Memory['authentication']>> {
  const { ports, configuration, seen, memory, signal } = context
  if (seen.identity.kind !== 'ours') throw new BootstrapError('internal', 'there is no certificate to ask about')
  const { fingerprint } = seen.identity.pair.certificate
  const known = memory.authentication?.fingerprint === fingerprint ? memory.authentication : undefined
  try {
    await requireAuthentication(ports.client, await apiServer(context, 'node'), configuration.node.name, signal)
    if (known?.kind === 'refused') ports.log.info('the API server accepts the certificate again')
    return { fingerprint, kind: 'accepted', atMs: ports.clock.nowMs() }
  } catch (thrown) {
    const error = asBootstrapError(thrown)
    if (error.code !== 'identity-not-accepted') throw error
    if (known?.kind === 'refused' && known.isConfirmed) return { ...known, error }
    const next = known?.kind === 'refused' ? 'it counts as lost' : 'it is asked again in a minute'
    ports.log.error(`${error.message}: ${next}`, { code: error.code, hint: error.hint })
    const sinceMs = known?.kind === 'refused' ? known.sinceMs : ports.clock.nowMs()
    return { fingerprint, kind: 'refused', sinceMs, error, isConfirmed: known?.kind === 'refused' }
  }
}

type Published = Pick<Discovered, 'cluster'> & Partial<Discovered> & { document?: KubeconfigDocument }

async function lookAtBundle(context: ActionContext): Promise<SeenBundle | undefined> {
  // A machine that policy would not let join stays the node that it is, and trusts nothing anew.
  if (context.seen.violations.some(stopsJoining)) return context.memory.bundle
  let published: Published | undefined
  try {
    published = await readPublished(context)
    if (published === undefined) return undefined
    await takeIfChanged(context, published)
    return { kind: 'current', atMs: context.ports.clock.nowMs() }
  } catch (thrown) {
    const error = asBootstrapError(thrown)
    if (isOfThisMachine(error)) throw error
    return error.exitStatus === EXIT.protocol || error.code === 'policy-violated'
      ? heldBack(context, published?.cluster, error)
      : untold(context, error)
  }
}

/** From where the cluster was once discovered; undefined where that is a file, which is watched and needs no looking. */
async function readPublished(context: ActionContext): Promise<Published | undefined> {
  const { ports, configuration, signal } = context
  const { cluster } = verifiedCluster(context)
  switch (configuration.discovery.kind) {
    case 'token': {
      const { credential } = await apiServer(context, 'node')
      const presented = await publishedAuthorities(ports.client, cluster, credential, signal)
      return { cluster: { ...cluster, authorities: distinctAuthorities(presented ?? cluster.authorities) } }
    }
    case 'https': {
      const found = await findCluster(context)
      return { ...found, cluster: { ...found.cluster, authorities: distinctAuthorities(found.cluster.authorities) } }
    }
    case 'file':
      return undefined
  }
}

async function takeIfChanged(context: ActionContext, published: Published): Promise<void> {
  const { ports, configuration } = context
  const record = verifiedCluster(context)
  const { cluster, document } = published
  const isSameCA = areSameAuthorities(cluster.authorities, record.cluster.authorities)
  const isSameServer = cluster.server.href === record.cluster.server.href
  if (isSameCA && isSameServer && document?.text === record.document?.text) return
  if (!isSameCA || !isSameServer) await requireSuccessor(context, cluster)
  const nowMs = ports.clock.nowMs()
  await writeClusterRecord(ports.files, configuration.files.state, {
    ...record,
    ...published,
    evidence: isSameCA ? record.evidence : renewedEvidence(published.evidence ?? record.evidence, nowMs),
  })
  if (!isSameCA)
    ports.log.info('the cluster has a new CA bundle, and it is in force', {
      before: caCertHashes(record.cluster.authorities).join(', '),
      now: caCertHashes(cluster.authorities).join(', '),
    })
}

const RENEWED = 'since then its CA bundle was renewed'

/** One sentence, however often it was: what is written down of the trust must not grow for the life of a node. */
function renewedEvidence(evidence: ClusterRecord['evidence'], nowMs: number): ClusterRecord['evidence'] {
  const verified = evidence.verified.filter((sentence) => !sentence.startsWith(RENEWED))
  const renewed = `${RENEWED} (${timestamp(nowMs)}): the CA before vouched for who published it`
  return { ...evidence, verified: [...verified, renewed] }
}

function heldBack({ ports, memory }: ActionContext, found: Cluster | undefined, cause: BootstrapError): SeenBundle {
  const known = memory.bundle?.kind === 'held-back' ? memory.bundle : undefined
  const error = new BootstrapError(
    'ca-bundle-held-back',
    `the CA bundle that the cluster publishes is not taken: ${cause.message}`,
    { cause, ...(isAboutSuccession(cause) ? {} : { hint: cause.hint }) },
  )
  if (known?.error.message !== error.message) ports.log.error(error.message, { code: error.code, hint: error.hint })
  const hashes = found === undefined ? [] : caCertHashes(found.authorities)
  return { kind: 'held-back', sinceMs: known?.sinceMs ?? ports.clock.nowMs(), caCertHashes: hashes, error }
}

/** Then both CAs are to be published; any other cause has a remedy of its own. */
const isAboutSuccession = ({ code }: BootstrapError): boolean =>
  code === 'ca-bundle-held-back' || code === 'server-untrusted'

function untold({ ports, memory }: ActionContext, { message }: BootstrapError): SeenBundle {
  const isKnown = memory.bundle?.kind === 'untold' && memory.bundle.why === message
  if (!isKnown) ports.log.info('the CA bundle that the cluster publishes cannot be read', { why: message })
  return { kind: 'untold', atMs: ports.clock.nowMs(), why: message }
}
