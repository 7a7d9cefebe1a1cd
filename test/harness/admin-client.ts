/** JSON over HTTPS to an API server, as whoever the client certificate says. */
import { once } from 'node:events'
import { Agent, request } from 'node:https'
import { text } from 'node:stream/consumers'
import type { IncomingMessage } from 'node:http'
import type { AdminResponse } from './control-plane.ts'

export interface AdminClientOptions {
  port: number
  caPem: string
  /** PEM. Without it the requests are anonymous, or carry the headers' credentials. */
  identity?: { certificate: string; key: string }
}

type AdminRequest = [method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>]

export class AdminClient {
  readonly #agent: Agent
  readonly #port: number

  constructor({ port, caPem, identity }: AdminClientOptions) {
    this.#port = port
    const tls = { ca: caPem, ...(identity === undefined ? {} : { cert: identity.certificate, key: identity.key }) }
    this.#agent = new Agent({ keepAlive: true, ...tls })
  }

  /** Rejects where the answer is not complete within 30 s. */
  async send(...request: AdminRequest): Promise<AdminResponse> {
    const response = await this.open(...request)
    const answer = await text(response)
    return { status: response.statusCode ?? 0, body: isJson(response) ? (JSON.parse(answer) as unknown) : answer }
  }

  /** The response as soon as its headers are there, for a watch; it ends after 30 s. */
  async open(...[method, path, body, headers]: AdminRequest): Promise<IncomingMessage> {
    const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const sent = request({
      agent: this.#agent,
      host: '127.0.0.1',
      port: this.#port,
      method,
      path,
      headers: { accept: 'application/json', 'content-type': contentType, ...headers },
      signal: AbortSignal.timeout(30_000),
    })
    sent.end(body === undefined ? undefined : JSON.stringify(body))
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return response
  }

  close(): void {
    this.#agent.destroy()
  }
}

function isJson(response: IncomingMessage): boolean {
  return response.headers['content-type']?.startsWith('application/json') ?? false
}
