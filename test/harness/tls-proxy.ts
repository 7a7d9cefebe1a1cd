/** A loopback proxy that ends TLS: it sees every request in clear, and answers or changes what a test tells it to. */
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Agent, createServer, request as httpsRequest, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { TLSSocket } from 'node:tls'

export interface SeenRequest {
  method: string
  /** Path and query. */
  path: string
  /** `POST /path HTTP/1.1` */
  line: string
  headers: IncomingHttpHeaders
  body: Buffer
  /** The CN of the client certificate that came with it; it is not verified, and cannot be passed on. */
  clientCommonName: string | undefined
}

export interface Answer {
  status: number
  /** Content-Length is added. */
  headers: OutgoingHttpHeaders
  body: Buffer | string
}

export interface TlsProxyOptions {
  /** `host:port` of an HTTPS server. */
  upstream: string
  /** PEM; what the upstream's certificate must chain to. */
  upstreamCa: string
  /** PEM; what the proxy presents. */
  certificate: string
  /** PEM. */
  key: string
  /** A client certificate for the upstream, because a client's own ends here. */
  upstreamIdentity?: { certificate: string; key: string }
}

export class TlsProxy {
  /** In the order in which they came. */
  readonly requests: SeenRequest[] = []
  /** Answers by itself where it returns something: the upstream never sees that request. `'cut'` ends the connection unanswered. */
  replace: (request: SeenRequest) => Answer | 'cut' | undefined = () => undefined
  /** Changes the upstream's answer. Not asked for a watch, which is passed on as it comes. */
  rewrite: (request: SeenRequest, answer: Answer) => Answer = (_request, answer) => answer
  readonly endpoint: string
  readonly #server: Server
  readonly #agent: Agent
  readonly #upstream: URL

  private constructor(server: Server, options: TlsProxyOptions) {
    this.#server = server
    this.endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`
    this.#upstream = new URL(`https://${options.upstream}`)
    const identity = options.upstreamIdentity
    this.#agent = new Agent({
      keepAlive: true,
      ca: options.upstreamCa,
      ...(identity === undefined ? {} : { cert: identity.certificate, key: identity.key }),
    })
    server.on('request', (request, response) => {
      // Upstream or client is gone: the other one is told by the end of its connection.
      this.#serve(request, response).catch(() => request.socket.destroy())
    })
  }

  static async start(options: TlsProxyOptions): Promise<TlsProxy> {
    const { certificate: cert, key } = options
    const server = createServer({ cert, key, requestCert: true, rejectUnauthorized: false })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TlsProxy(server, options)
  }

  /** Ends what is in progress, too. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#agent.destroy()
    await this.#server[Symbol.asyncDispose]()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = await see(request)
    this.requests.push(seen)
    const replacement = this.replace(seen)
    if (replacement === 'cut') request.socket.destroy()
    else if (replacement === undefined) await this.#forward(seen, response)
    else send(response, replacement)
  }

  async #forward(seen: SeenRequest, response: ServerResponse): Promise<void> {
    const upstream = httpsRequest(new URL(seen.path, this.#upstream), {
      agent: this.#agent,
      method: seen.method,
      headers: { ...withoutHopByHop(seen.headers), host: this.#upstream.host },
    })
    response.on('close', () => upstream.destroy())
    upstream.end(seen.body)
    const [answer] = (await once(upstream, 'response')) as [IncomingMessage]
    const status = answer.statusCode ?? 502
    if (/[?&]watch=(1|true)\b/.test(seen.path)) {
      response.writeHead(status, withoutHopByHop(answer.headers)).flushHeaders()
      await pipeline(answer, response)
      return
    }
    const headers = withoutHopByHop(answer.headers)
    send(response, this.rewrite(seen, { status, headers, body: await buffer(answer) }))
  }
}

async function see(request: IncomingMessage): Promise<SeenRequest> {
  const { method = '', url: path = '', headers, httpVersion } = request
  const { socket } = request
  const commonName =
    socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.toLegacyObject().subject.CN : undefined
  return {
    method,
    path,
    line: `${method} ${path} HTTP/${httpVersion}`,
    headers,
    body: await buffer(request),
    clientCommonName: Array.isArray(commonName) ? commonName[0] : commonName,
  }
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
}

/** Headers that speak about one connection only. Both connections here have their own. */
function withoutHopByHop(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const hop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer'])
  const kept = Object.entries(headers).filter(([name]) => !hop.has(name))
  return Object.fromEntries(kept)
}
