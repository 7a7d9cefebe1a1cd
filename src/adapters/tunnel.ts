/**
 * An https.Agent whose connections go through a forward proxy, by CONNECT: in bounded time, and with a bounded answer. Node's
 * own tunnel (`proxyEnv`) has neither bound, and a proxy that answers in small pieces exhausts it.
 */
import { once } from 'node:events'
import { request as requestPlain, type ClientRequest, type IncomingMessage } from 'node:http'
import { Agent, request as requestTls, type AgentOptions, type RequestOptions } from 'node:https'
import { isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect, type ConnectionOptions } from 'node:tls'
import { bareHost } from '../lib/host.ts'
import { textAt } from '../lib/json.ts'

/** As long as a whole request may take: one that was given up cannot tell its tunnel. */
const TUNNEL_TIMEOUT_MS = 10_000

/** An agent of these options, through `proxy` where there is one. */
export const agentThrough = (proxy: URL | undefined, options: AgentOptions): Agent =>
  proxy === undefined ? new Agent(options) : new TunnelAgent(proxy, options)

class TunnelAgent extends Agent {
  readonly #proxy: URL
  readonly #destroyed = new AbortController()

  constructor(proxy: URL, options: AgentOptions) {
    super(options)
    this.#proxy = proxy
  }

  /** Nothing is sent before the server behind the tunnel has been verified as any other. */
  override createConnection(
    options: RequestOptions & ConnectionOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const give = callback as ((error: Error | null, stream?: Duplex) => void) | undefined
    openTunnel(this.#proxy, options, this.#destroyed.signal).then(
      (socket) => give?.(null, connect({ ...options, socket })),
      (thrown: unknown) => give?.(thrown instanceof Error ? thrown : new Error('no tunnel')),
    )
  }

  override destroy(): void {
    this.#destroyed.abort()
    super.destroy()
  }
}

/** A CONNECT that is not sent yet, with Host and `headers` alone, as Go sends it. */
export function connectRequest(proxy: URL, target: string, headers: Readonly<Record<string, string>>): ClientRequest {
  const { port, protocol } = proxy
  const options = {
    port,
    agent: false,
    setDefaultHeaders: false,
    method: 'CONNECT',
    path: target,
    headers: { host: target, ...headers },
  }
  const host = bareHost(proxy)
  // Node would take the name to verify the proxy by from the Host header.
  const servername = isIP(host) === 0 ? host : ''
  return protocol === 'https:'
    ? requestTls({ ...options, host, servername, rejectUnauthorized: true, minVersion: 'TLSv1.2' })
    : requestPlain({ ...options, host })
}

/** Rejects with what Node reports, and with ERR_PROXY_TUNNEL where the proxy answers with anything but 200. */
async function openTunnel(proxy: URL, { host, port }: RequestOptions, destroyed: AbortSignal): Promise<Socket> {
  const name = String(host)
  const target = `${name.includes(':') ? `[${name}]` : name}:${String(port)}`
  const asked = connectRequest(proxy, target, authorization(proxy))
  const stop = (): void => void asked.destroy(refusal('it does not answer', 'ETIMEDOUT'))
  const timer = setTimeout(stop, TUNNEL_TIMEOUT_MS)
  destroyed.addEventListener('abort', stop, { once: true })
  if (destroyed.aborted) stop()
  asked.end()
  try {
    const [{ statusCode }, socket] = (await once(asked, 'connect')) as [IncomingMessage, Socket]
    socket.on('error', () => undefined)
    if (statusCode === 200) return socket
    socket.destroy()
    throw refusal('it refuses', 'ERR_PROXY_TUNNEL', statusCode)
  } catch (thrown) {
    const code = textAt(thrown, 'code') ?? ''
    throw code === 'ECONNRESET' || code.startsWith('HPE_') ? refusal('it answers nothing', 'ERR_PROXY_TUNNEL') : thrown
  } finally {
    clearTimeout(timer)
    destroyed.removeEventListener('abort', stop)
  }
}

const refusal = (message: string, code: string, statusCode?: number): Error =>
  Object.assign(new Error(message), { code, ...(statusCode === undefined ? {} : { statusCode }) })

/** From the user and the password in the proxy's address (RFC 7617). */
function authorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}
