/** Finds and verifies the cluster, and keeps what was found with an account of what the trust rests on. */
import type { Discovered, KubeconfigDocument } from '../../discovery/discovered.ts'
import { discoverByFile } from '../../discovery/file-discovery.ts'
import { discoverByHttps } from '../../discovery/https-discovery.ts'
import { discoverByToken } from '../../discovery/token-discovery.ts'
import { caCertHashes } from '../../kube/cluster.ts'
import { BootstrapError } from '../../lib/errors.ts'
import type { Certificate } from '../../pki/certificate.ts'
import { writeClusterRecord } from '../../store/cluster-record.ts'
import type { ActionContext } from '../context.ts'
import { readAuthorities, readToken } from '../credentials.ts'
import { discoveryDigest } from '../digests.ts'
import { discoveryInputsDigest } from '../discovery-inputs.ts'
import { requireSameCluster } from '../same-cluster.ts'

/** Beyond this the two clocks are said to differ: signers back-date by five minutes. */
const CLOCK_SKEW_MS = 5 * 60 * 1000

export async function discover(context: ActionContext): Promise<void> {
  const { ports, configuration, memory, seen } = context
  const inputsDigest = await discoveryInputsDigest(ports.files, configuration)
  const { cluster, evidence, document } = await findCluster(context).catch((thrown: unknown) => {
    throw withClocks(thrown, context)
  })
  await requireSameCluster(context, cluster)
  ports.log.info('the cluster is verified', {
    server: cluster.server.href,
    ca: caCertHashes(cluster.authorities).join(', '),
    by: evidence.verified.join('; '),
  })
  warnOfSkew(context)
  await writeClusterRecord(ports.files, configuration.files.state, {
    cluster,
    evidence,
    configurationDigest: discoveryDigest(configuration),
    inputsDigest: inputsDigest ?? '',
    document,
    verifiedAtMs: ports.clock.nowMs(),
    approval: seen.trust.kind === 'unknown' ? undefined : seen.trust.record.approval,
  })
  // It may be another cluster than the one in which the request was seen: it is looked up there.
  memory.request = undefined
  memory.doubtsCluster = false
  memory.rediscoveryFailed = false
}

async function findCluster(context: ActionContext): Promise<Discovered & { document?: KubeconfigDocument }> {
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

/** Undefined where the two clocks agree well enough, or nobody has said what time it is there. */
function skewSentence({ ports }: ActionContext): string | undefined {
  const skewMs = ports.client.clockSkewMs
  if (skewMs === undefined || Math.abs(skewMs) < CLOCK_SKEW_MS) return undefined
  const minutes = Math.round(Math.abs(skewMs) / 60_000)
  return `this machine's clock is ${minutes} min ${skewMs > 0 ? 'behind' : 'ahead of'} the API server's`
}

function warnOfSkew(context: ActionContext): void {
  const sentence = skewSentence(context)
  if (sentence === undefined) return
  context.ports.log.warn(sentence, { hint: 'set the clock (timedatectl): certificates are judged by it' })
}

/** A server's certificate that is out of its time may be good: where the server has told the time, the clocks are compared. */
function withClocks(thrown: unknown, context: ActionContext): unknown {
  if (!(thrown instanceof BootstrapError)) return thrown
  const { code, message, hint, retryable } = thrown
  const skewMs = context.ports.client.clockSkewMs
  const isOfTime = code === 'server-certificate-expired' || code === 'server-certificate-not-yet-valid'
  if (!isOfTime || skewMs === undefined) return thrown
  const there = new Date(context.ports.clock.nowMs() + skewMs).toISOString()
  const sentence = skewSentence(context) ?? 'the two clocks agree'
  return new BootstrapError(code, `${message}; there it is ${there}: ${sentence}`, { hint, retryable, cause: thrown })
}
