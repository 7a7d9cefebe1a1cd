/** Asks a TLS server for its certificates, and sends it nothing: whether they are to be believed is decided elsewhere. */
import type { X509Certificate } from 'node:crypto'
import { Agent, request, type AgentOptions } from 'node:https'
import { once } from 'node:events'
import { TLSSocket } from 'node:tls'

/** A longer chain is no server's. */
const MAX_CERTIFICATES = 10

/** DER, the server's own first. `tunnel` says which proxy leads there, if any. Rejects with what Node reports. */
export async function presentedChain(url: URL, tunnel: AgentOptions, signal: AbortSignal): Promise<Uint8Array[]> {
  // What is not verified here is used for nothing but to be compared with pins, and to be verified with.
  const agent = new Agent({ rejectUnauthorized: false, minVersion: 'TLSv1.2', maxCachedSessions: 0, ...tunnel })
  // Never ended, so never sent: only its socket is wanted.
  const unsent = request(url, { agent, signal })
  // Whoever waits below hears of a failure; without a listener of its own, the request's would end the process.
  unsent.on('error', () => undefined)
  try {
    const [socket] = (await once(unsent, 'socket', { signal })) as unknown[]
    if (!(socket instanceof TLSSocket)) return []
    // Behind a proxy the handshake is over by now; and what Node 24 has given once, it does not give again.
    const leaf = socket.getPeerX509Certificate()
    if (leaf !== undefined) return chainOf(leaf)
    await once(socket, 'secureConnect', { signal })
    return chainOf(socket.getPeerX509Certificate())
  } finally {
    unsent.destroy()
    agent.destroy()
  }
}

/** Each certificate leads to its issuer, as far as the server has sent them. */
function chainOf(leaf: X509Certificate | undefined): Uint8Array[] {
  const chain: Uint8Array[] = []
  for (let certificate = leaf; certificate !== undefined; certificate = certificate.issuerCertificate) {
    const { raw } = certificate
    if (chain.length === MAX_CERTIFICATES || chain.some((earlier) => raw.equals(earlier))) break
    chain.push(raw)
  }
  return chain
}
