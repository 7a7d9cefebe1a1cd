/** Asks a forward proxy that wants a password by which schemes it takes one; it is shown none, and what it says decides nothing. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { printable } from '../lib/text.ts'
import { connectRequest } from './tunnel.ts'

/** A scheme's name is a token (RFC 9110 §11.1); its parameters, each `name=…`, are not told. */
const SCHEME = /(?:^|,)\s*([A-Za-z][A-Za-z0-9-]{0,30})(?=\s|,|$)/g
const MAX_SCHEMES = 5

/** The names of the schemes in a Proxy-Authenticate header, each once. Pure. */
export function challengeSchemes(header: string): string[] {
  const bounded = header.slice(0, 4096).replace(/"[^"]*"/g, '""')
  return [...new Set([...bounded.matchAll(SCHEME)].map(([, scheme = '']) => printable(scheme, 31)))].slice(
    0,
    MAX_SCHEMES,
  )
}

/** Empty where the proxy does not say. Rejects with what Node reports. */
export async function proxyChallenge(proxy: URL, target: URL, signal: AbortSignal): Promise<string[]> {
  const asked = connectRequest(proxy, `${target.hostname}:${target.port === '' ? '443' : target.port}`, {})
  asked.on('error', () => undefined)
  asked.end()
  try {
    const [{ headers }, socket] = (await once(asked, 'connect', { signal })) as [IncomingMessage, Socket]
    socket.destroy()
    return challengeSchemes([headers['proxy-authenticate'] ?? []].flat().join(', '))
  } finally {
    asked.destroy()
  }
}
