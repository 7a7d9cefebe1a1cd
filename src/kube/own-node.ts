/** Whether an API server takes a certificate for the node that it names: asked once, before the certificate is relied on. */
import { BootstrapError } from '../lib/errors.ts'
import type { ApiClient, ApiServer } from './api-request.ts'

/**
 * GET of the node's own Node object, which the Node authorizer allows whether it is there or not. Throws
 * `identity-not-accepted` where the server does not know the certificate (401), or takes its holder for somebody else;
 * failures of transport as they are.
 */
export async function requireAuthentication(
  client: ApiClient,
  api: ApiServer,
  nodeName: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await client.request(api, { method: 'GET', path: `/api/v1/nodes/${nodeName}`, signal })
  } catch (thrown) {
    if (!(thrown instanceof BootstrapError)) throw thrown
    if (thrown.code === 'not-found') return
    // Without the Node authorizer a node may not read itself; the refusal then names whom the server took it for.
    if (thrown.code === 'forbidden' && thrown.message.includes(`"system:node:${nodeName}"`)) return
    if (thrown.code !== 'unauthorized' && thrown.code !== 'forbidden') throw thrown
    throw new BootstrapError(
      'identity-not-accepted',
      `${api.server.host} does not accept the certificate of this node: ${thrown.message}`,
      { cause: thrown },
    )
  }
}
