/** The cluster-info ConfigMap: asked for, and read as text and signatures. Whether it is true is decided elsewhere. */
import type { ErrorCode } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import { textAt } from '../lib/json.ts'
import type { Trust, VerifiedTrust } from '../lib/ports.ts'
import type { ApiClient, ApiServer } from '../kube/api-request.ts'

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

/** GET, always anonymous: no credential goes to a server that is not verified. */
export async function fetchClusterInfo(
  client: ApiClient,
  server: URL,
  trust: Trust,
  tokenId: string,
  signal: AbortSignal,
): Promise<ClusterInfo> {
  const value = await request(client, { server, trust, credential: { kind: 'anonymous' } }, signal)
  return { kubeconfig: kubeconfigOf(value, server), signature: textAt(value, 'data', `jws-kubeconfig-${tokenId}`) }
}

/** The kubeconfig alone, of a server that is verified already: only such a one is shown a credential. */
export const fetchVerifiedKubeconfig = async (
  client: ApiClient,
  api: ApiServer & { trust: VerifiedTrust },
  signal: AbortSignal,
): Promise<string> => kubeconfigOf(await request(client, api, signal), api.server)

function kubeconfigOf(value: unknown, server: URL): string {
  if (textAt(value, 'kind') !== 'ConfigMap')
    throw new BootstrapError('not-kubernetes', `${server.host} answered with something that is no ConfigMap`)
  const kubeconfig = textAt(value, 'data', 'kubeconfig')
  if (kubeconfig === undefined)
    throw new BootstrapError('cluster-info-malformed', `cluster-info of ${server.host} has no kubeconfig`)
  return kubeconfig
}

async function request(client: ApiClient, api: ApiServer, signal: AbortSignal): Promise<unknown> {
  try {
    return await client.request(api, { method: 'GET', path: PATH, signal })
  } catch (thrown) {
    const code = thrown instanceof BootstrapError ? refusals[thrown.code] : undefined
    if (code === undefined || !(thrown instanceof BootstrapError)) throw thrown
    const { message, retryAfterMs } = thrown
    throw new BootstrapError(code, message, { cause: thrown, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })
  }
}
