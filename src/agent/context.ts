/** What every action is handed: the ports, today's configuration, what was seen, and what to remember. */
import type { JoinConfiguration } from '../config/index.ts'
import { readKubeconfigFile } from '../discovery/file-discovery.ts'
import { documentSource } from '../discovery/https-discovery.ts'
import { credentialOf, readKubeconfig, type KubeconfigSource } from '../discovery/kubeconfig-material.ts'
import type { ApiClient, ApiServer, Credential } from '../kube/api-request.ts'
import { rootsOf } from '../kube/cluster.ts'
import { bearerToken } from '../lib/bootstrap-token.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Clock, Files, Http, Log, Network, Processes, Random } from '../lib/ports.ts'
import type { ClusterRecord } from '../store/cluster-record.ts'
import type { PendingRequest } from '../store/pending-request.ts'
import { readBootstrapToken } from './credentials.ts'
import type { Requester } from './decide.ts'
import type { CertificateKind } from './certificate-kind.ts'
import type { CertificateMemory, Memory, Observed, SeenCertificate } from './observed.ts'

export interface AgentPorts {
  files: Files
  network: Network
  /** For what is no API server: the document of HTTPS discovery. */
  http: Http
  client: ApiClient
  clock: Clock
  random: Random
  processes: Processes
  log: Log
  /** Of join.yaml, whose mode matters where a secret stands in it. */
  configurationPath: string
  /** systemd's $CREDENTIALS_DIRECTORY. */
  credentialsDirectory: string | undefined
  /** $SSL_CERT_FILE. */
  certificateFile: string | undefined
}

export interface ActionContext {
  ports: AgentPorts
  configuration: JoinConfiguration
  seen: Observed
  memory: Memory
  /** Of the certificate that the action is about: its kind, what was seen of it, and what to remember. */
  kind: CertificateKind
  certificate: SeenCertificate
  certificateMemory: CertificateMemory
  /** Memory has changed while the action goes on. */
  onProgress: () => void
  /** Does one part of the action that takes `longestMs` at most, which the watchdog is to go by in place of the action's own time. */
  during: <Value>(longestMs: number, effect: () => Promise<Value>) => Promise<Value>
  /** Aborts when the action is to be broken off: by a new configuration, by the operator's wish, by the end of the agent. */
  signal: AbortSignal
  /** Aborts with the agent alone: for what a new configuration must not break off. */
  stopped: AbortSignal
}

/** How much of an action is done: what is left of it comes in its turn again, after whatever goes before it by then. */
export type Extent = 'whole' | 'in part'

/** An action was decided that what was seen does not allow: a defect of decide. */
const impossible = (what: string): BootstrapError => new BootstrapError('internal', `an action needs ${what}`)

export function verifiedCluster({ seen }: ActionContext): ClusterRecord {
  if (seen.trust.kind === 'unknown') throw impossible('a verified cluster')
  return seen.trust.record
}

export function pendingRequest({ certificate }: ActionContext): PendingRequest {
  if (certificate.pending === undefined) throw impossible('a request under way')
  return certificate.pending
}

/** The verified cluster's API server, asked as `requester`. */
export async function apiServer(context: ActionContext, requester: Requester): Promise<ApiServer> {
  const { cluster } = verifiedCluster(context)
  return {
    server: cluster.server,
    trust: { roots: rootsOf(cluster) },
    credential: requester === 'node' ? nodeCredential(context) : await bootstrapCredential(context),
  }
}

function nodeCredential({ seen }: ActionContext): Credential {
  if (seen.identity.kind !== 'ours') throw impossible("the node's own certificate")
  const { chainPem, key } = seen.identity.pair
  return { kind: 'certificate', identity: { certificateChain: chainPem, privateKey: key } }
}

/** A bootstrap token that join.yaml gives wins over the credential that discovery came upon. */
async function bootstrapCredential(context: ActionContext): Promise<Credential> {
  const { ports, configuration } = context
  const token = await readBootstrapToken(ports.files, configuration, ports.credentialsDirectory)
  if (token !== undefined) return { kind: 'token', token: bearerToken(token) }
  const source = await kubeconfigSource(context)
  const user = source === undefined ? undefined : readKubeconfig(source).user
  if (source !== undefined && user !== undefined) return await credentialOf(ports.files, source, user)
  throw new BootstrapError(
    'credential-missing',
    `nothing authenticates the certificate request: join.yaml has no bootstrap token, and the kubeconfig ${source?.label ?? ''} no user with a credential`,
  )
}

/** The kubeconfig that the cluster was found by, where it was found by one. */
async function kubeconfigSource(context: ActionContext): Promise<KubeconfigSource | undefined> {
  const { discovery } = context.configuration
  if (discovery.kind === 'file') return await readKubeconfigFile(context.ports.files, discovery.path)
  const { document } = verifiedCluster(context)
  return document === undefined ? undefined : documentSource(document)
}
