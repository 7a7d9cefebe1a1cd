/** A proxy that is asked over TLS itself: what vouches for it, and what is wrong where nothing does. It is never shown a certificate of ours. */
import { once } from 'node:events'
import { connect, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { bareHost } from '../lib/host.ts'

let isDone = false

/**
 * Node takes its default certificates for a proxy, and no others: Mozilla's, as they were when Node was built. From now on
 * they are the system's ($SSL_CERT_FILE, $SSL_CERT_DIR). Every other connection names its own anchors, or is unverified.
 */
export function verifyProxiesBySystemRoots(): void {
  if (isDone) return
  isDone = true
  setDefaultCACertificates(getCACertificates('system'))
}

/** The name of what is wrong with the proxy's certificate; undefined where it is believed, or cannot be seen. Nothing is sent. */
export async function proxyFault(proxy: URL, signal: AbortSignal): Promise<string | undefined> {
  const port = proxy.port === '' ? 443 : Number(proxy.port)
  const socket = connect({ host: bareHost(proxy), port, rejectUnauthorized: false })
  try {
    await once(socket, 'secureConnect', { signal })
    // Node's types call it an Error; it is the name of one.
    return socket.authorized ? undefined : String(socket.authorizationError)
  } catch {
    return undefined
  } finally {
    socket.destroy()
  }
}
