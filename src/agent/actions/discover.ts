/** Finds and verifies the cluster, and keeps what was found with an account of what the trust rests on. */
import type { Discovered, KubeconfigDocument } from '../../discovery/discovered.ts'
import { discoverByFile } from '../../discovery/file-discovery.ts'
import { discoverByHttps } from '../../discovery/https-discovery.ts'
import { discoverByToken } from '../../discovery/token-discovery.ts'
import { caCertHashes } from '../../kube/cluster.ts'
import { skewSentence } from '../../lib/clock-skew.ts'
import { asBootstrapError } from '../../lib/errors.ts'
import type { Certificate } from '../../pki/certificate.ts'
import { writeClusterRecord } from '../../store/cluster-record.ts'
import type { ActionContext } from '../context.ts'
import { requireCertificateKept } from '../ca-bundle.ts'
import { readAuthorities, readToken } from '../credentials.ts'
import { discoveryDigest } from '../digests.ts'
import { discoveryInputsDigest } from '../discovery-inputs.ts'
import { hasJoinedCluster } from '../joined-before.ts'
import { localKubeconfig } from '../local-kubeconfig.ts'
import { recalledCluster } from '../recalled-cluster.ts'
import { requireSameCluster } from '../same-cluster.ts'

export async function discover(context: ActionContext): Promise<void> {
  const { ports, configuration, memory, seen } = context
  const inputsDigest = await discoveryInputsDigest(
    ports.files,
    configuration,
    await localKubeconfig(ports.files, configuration),
  )
  const { cluster, evidence, document } = await findOrRecall(context)
  await requireSameCluster(context, cluster)
  await requireCertificateKept(context, cluster)
  ports.log.info('the cluster is verified', {
    server: cluster.server.href,
    ca: caCertHashes(cluster.authorities).join(', '),
    by: evidence.verified.join('; '),
  })
  warnOfSkew(context)
  const known = seen.trust.kind === 'unknown' ? undefined : seen.trust.record
  const hasJoined = known?.hasJoined === true || (await hasJoinedCluster(ports.files, configuration, cluster))
  await writeClusterRecord(ports.files, configuration.files.state, {
    cluster,
    evidence,
    configurationDigest: discoveryDigest(configuration),
    inputsDigest: inputsDigest ?? '',
    document,
    verifiedAtMs: ports.clock.nowMs(),
    approval: known?.approval,
    hasJoined,
  })
  // It may be another cluster than the one in which the request was seen: it is looked up there.
  memory.request = undefined
  memory.serving.request = undefined
  memory.doubtsCluster = false
  memory.rediscoveryFailed = false
}

type Found = Discovered & { document?: KubeconfigDocument }

/** A node whose record is lost, and whose token may have expired long ago, is still the node that it was. */
async function findOrRecall(context: ActionContext): Promise<Found> {
  const { seen, ports, signal } = context
  try {
    return await findCluster(context)
  } catch (thrown) {
    const recalled = seen.trust.kind === 'unknown' && !signal.aborted ? await recalledCluster(context) : undefined
    if (recalled === undefined) throw thrown
    const { message, code } = asBootstrapError(thrown)
    ports.log.warn('cluster.json was lost, and discovery fails: the cluster is the one that this node knew', {
      code,
      why: message,
    })
    return recalled
  }
}

/** By the configured way, and with all that it verifies. */
export async function findCluster(context: ActionContext): Promise<Found> {
  const { ports, configuration, signal } = context
  const { discovery } = configuration
  const { files, client } = ports
  const bundle = (path: string | undefined): Promise<readonly Certificate[] | undefined> =>
    path === undefined ? Promise.resolve(undefined) : readAuthorities(files, path)
  const knownAuthorities = await bundle(discovery.caFile)
  switch (discovery.kind) {
    case 'token': {
      const token = await readToken(files, discovery.token, ports.credentialsDirectory)
      return await discoverByToken(client, { ...discovery, token, knownAuthorities }, ports.clock, signal)
    }
    case 'file':
      return await discoverByFile(files, client, { ...discovery, knownAuthorities }, signal)
    case 'https': {
      const { url, caCertHashes, clusterCAFile } = discovery
      const clusterAuthorities = await bundle(clusterCAFile)
      const known = knownDocument(context)
      const input = { url, caCertHashes, serverAuthorities: knownAuthorities, clusterAuthorities, known }
      return await discoverByHttps(ports, input, signal)
    }
  }
}

/** What the same configuration was handed before. */
function knownDocument({ seen, configuration }: ActionContext): KubeconfigDocument | undefined {
  if (seen.trust.kind === 'unknown') return undefined
  const { configurationDigest, document } = seen.trust.record
  return configurationDigest === discoveryDigest(configuration) ? document : undefined
}

function warnOfSkew({ ports }: ActionContext): void {
  const sentence = skewSentence(ports.client.clockSkewMs ?? 0, "the API server's")
  if (sentence === undefined) return
  ports.log.warn(sentence, { hint: 'set the clock (timedatectl): certificates are judged by it' })
}
