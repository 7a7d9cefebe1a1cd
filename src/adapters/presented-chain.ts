/**
 * Looks at a TLS server that nothing vouches for: its certificates, for which nothing is sent, and its clock, for which a
 * request goes out that holds nothing but the host's name. Whether they are to be believed is decided elsewhere.
 */
import type { X509Certificate } from 'node:crypto'
import { request, type Agent } from 'node:https'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { httpDate } from '../lib/http-date.ts'
import { agentThrough } from './tunnel.ts'

/** A longer chain is no server's. */
const MAX_CERTIFICATES = 10

// What is not verified here is used for nothing but to be compared with pins, to be verified with, and to be told to people.
const unverifiedAgent = (proxy: URL | undefined): Agent =>
  agentThrough(proxy, { rejectUnauthorized: false, minVersion: 'TLSv1.2', maxCachedSessions: 0 })

/** By the Date header of whatever answer; undefined where there is none. `proxy` as below. */
export async function unverifiedTime(
  url: URL,
  proxy: URL | undefined,
  signal: AbortSignal,
): Promise<number | undefined> {
  const agent = unverifiedAgent(proxy)
  const asked = request(new URL('/', url), { agent, signal, method: 'HEAD' })
  asked.on('error', () => undefined)
  asked.end()
  try {
    const [{ headers }] = (await once(asked, 'response', { signal })) as [IncomingMessage]
    const timeMs = httpDate(headers.date ?? '')
    return Number.isNaN(timeMs) ? undefined : timeMs
  } finally {
    asked.destroy()
    agent.destroy()
  }
}

/** DER, the server's own first. `proxy` leads there, if one does. Rejects with what Node reports. */
export async function presentedChain(url: URL, proxy: URL | undefined, signal: AbortSignal): Promise<Uint8Array[]> {
  const agent = unverifiedAgent(proxy)
  // Never ended, so never sent: only its socket is wanted.
  const unsent = request(url, { agent, signal })
  // Whoever waits below hears of a failure; without a listener of its own, the request's would end the process.
  unsent.on('error', () => undefined)
  try {
    const [socket] = (await once(unsent, 'socket', { signal })) as unknown[]
    if (!(socket instanceof TLSSocket)) return []
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
