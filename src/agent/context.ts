/** What every action is handed: the ports, today's configuration, what was seen, and what to remember. */
import type { JoinConfiguration } from '../config/index.ts'
import type { ApiClient, ApiServer, Credential } from '../kube/api-request.ts'
import { rootsOf } from '../kube/cluster.ts'
import { bearerToken } from '../lib/bootstrap-token.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Clock, Files, Log } from '../lib/ports.ts'
import type { ClusterRecord } from '../store/cluster-record.ts'
import type { PendingRequest } from '../store/pending-request.ts'
import { readToken } from './credentials.ts'
import type { Requester } from './decide.ts'
import type { Observed, Memory } from './observed.ts'

export interface AgentPorts {
  files: Files
  client: ApiClient
  clock: Clock
  log: Log
  /** systemd's $CREDENTIALS_DIRECTORY. */
  credentialsDirectory: string | undefined
}

export interface ActionContext {
  ports: AgentPorts
  configuration: JoinConfiguration
  seen: Observed
  memory: Memory
  /** Memory has changed while the action goes on. */
  onProgress: () => void
  signal: AbortSignal
}

/** An action was decided that what was seen does not allow: a defect of decide. */
const impossible = (what: string): BootstrapError => new BootstrapError('internal', `an action needs ${what}`)

export function verifiedCluster({ seen }: ActionContext): ClusterRecord {
  if (seen.trust.kind === 'unknown') throw impossible('a verified cluster')
  return seen.trust.record
}

export function pendingRequest({ seen }: ActionContext): PendingRequest {
  if (seen.pending === undefined) throw impossible('a request under way')
  return seen.pending
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

async function bootstrapCredential({ ports, configuration }: ActionContext): Promise<Credential> {
  const { bootstrap, discovery } = configuration
  const source = bootstrap.token ?? (discovery.kind === 'token' ? discovery.token : undefined)
  if (source === undefined)
    throw new BootstrapError('credential-missing', 'nothing in join.yaml authenticates the certificate request')
  return { kind: 'token', token: bearerToken(await readToken(ports.files, source, ports.credentialsDirectory)) }
}
