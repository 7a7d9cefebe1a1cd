/** The cluster-info ConfigMap: asked for, and read as text and signatures. Whether it is true is decided elsewhere. */
import { BootstrapError, type ErrorCode } from '../lib/errors.ts'
import { textAt } from '../lib/json.ts'
import type { Trust } from '../lib/ports.ts'
import type { ApiClient } from '../kube/api-request.ts'

const PATH = '/api/v1/namespaces/kube-public/configmaps/cluster-info'

export interface ClusterInfo {
  /** The exact text that the signatures are over. */
  kubeconfig: string
  /** The detached JWS made with the token of this id, where there is one. */
  signature: string | undefined
}

/** What a refusal means for this one resource: each has a remedy of its own. */
const refusals: Partial<Readonly<Record<ErrorCode, ErrorCode>>> = {
  unauthorized: 'anonymous-access-off',
  forbidden: 'cluster-info-forbidden',
  'not-found': 'cluster-info-missing',
}

/** GET, always anonymous: no credential goes to a server that is not verified, and a verified one needs none. */
export async function fetchClusterInfo(
  client: ApiClient,
  server: URL,
  trust: Trust,
  tokenId: string,
  signal: AbortSignal,
): Promise<ClusterInfo> {
  const value = await request(client, server, trust, signal)
  if (textAt(value, 'kind') !== 'ConfigMap')
    throw new BootstrapError('not-kubernetes', `${server.host} answered with something that is no ConfigMap`)
  const kubeconfig = textAt(value, 'data', 'kubeconfig')
  if (kubeconfig === undefined)
    throw new BootstrapError('cluster-info-malformed', `cluster-info of ${server.host} has no kubeconfig`)
  return { kubeconfig, signature: textAt(value, 'data', `jws-kubeconfig-${tokenId}`) }
}

async function request(client: ApiClient, server: URL, trust: Trust, signal: AbortSignal): Promise<unknown> {
  try {
    return await client.request(
      { server, trust, credential: { kind: 'anonymous' } },
      { method: 'GET', path: PATH, signal },
    )
  } catch (thrown) {
    const code = thrown instanceof BootstrapError ? refusals[thrown.code] : undefined
    if (code === undefined || !(thrown instanceof BootstrapError)) throw thrown
    const { message, retryAfterMs } = thrown
    throw new BootstrapError(code, message, { cause: thrown, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })
  }
}
