/** Finds and verifies the cluster, and keeps what was found with an account of what the trust rests on. */
import { discoverByToken } from '../../discovery/token-discovery.ts'
import type { Discovered } from '../../discovery/discovered.ts'
import { caCertHashes } from '../../kube/cluster.ts'
import { BootstrapError } from '../../lib/errors.ts'
import type { Certificate } from '../../pki/certificate.ts'
import { writeClusterRecord } from '../../store/cluster-record.ts'
import type { ActionContext } from '../context.ts'
import { readAuthorities, readToken } from '../credentials.ts'
import { authoritiesDigest, discoveryDigest } from '../digests.ts'

/** Beyond this the two clocks are said to differ: signers back-date by five minutes. */
const CLOCK_SKEW_MS = 5 * 60 * 1000

export async function discover(context: ActionContext): Promise<void> {
  const { ports, configuration, memory } = context
  const knownAuthorities = await readKnownAuthorities(context)
  const { cluster, evidence } = await findCluster(context, knownAuthorities).catch((thrown: unknown) => {
    throw withClocks(thrown, context)
  })
  ports.log.info('the cluster is verified', {
    server: cluster.server.href,
    ca: caCertHashes(cluster.authorities).join(', '),
    by: evidence.verified.join('; '),
  })
  for (const assumption of evidence.assumed) ports.log.warn(`taken on faith: ${assumption}`)
  warnOfSkew(context)
  await writeClusterRecord(ports.files, configuration.files.state, {
    cluster,
    evidence,
    configurationDigest: discoveryDigest(configuration),
    caFileDigest: knownAuthorities === undefined ? undefined : authoritiesDigest(knownAuthorities),
    verifiedAtMs: ports.clock.nowMs(),
  })
  // It may be another cluster than the one in which the request was seen: it is looked up there.
  memory.request = undefined
  memory.doubtsCluster = false
  memory.rediscoveryFailed = false
}

async function readKnownAuthorities({
  ports,
  configuration,
}: ActionContext): Promise<readonly Certificate[] | undefined> {
  const { discovery } = configuration
  return discovery.kind === 'token' && discovery.caFile !== undefined
    ? await readAuthorities(ports.files, discovery.caFile)
    : undefined
}

async function findCluster(
  { ports, configuration, signal }: ActionContext,
  knownAuthorities: readonly Certificate[] | undefined,
): Promise<Discovered> {
  const { discovery } = configuration
  const { files, client, clock, credentialsDirectory } = ports
  switch (discovery.kind) {
    case 'token': {
      const token = await readToken(files, discovery.token, credentialsDirectory)
      return await discoverByToken(client, { ...discovery, token, knownAuthorities }, clock, signal)
    }
    case 'file':
    case 'https':
      throw new BootstrapError('discovery-not-supported', `discovery.${discovery.kind} is not built yet`)
  }
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

/** A server's certificate that is out of its time may be good: the server that showed it has also told the time. */
function withClocks(thrown: unknown, context: ActionContext): unknown {
  if (!(thrown instanceof BootstrapError)) return thrown
  const { code, message, hint, retryable } = thrown
  const sentence = skewSentence(context)
  const isOfTime = code === 'server-certificate-expired' || code === 'server-certificate-not-yet-valid'
  if (!isOfTime || sentence === undefined) return thrown
  return new BootstrapError(code, `${message}; ${sentence}`, { hint, retryable, cause: thrown })
}
