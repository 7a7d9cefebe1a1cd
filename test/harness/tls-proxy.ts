/** A loopback proxy that ends TLS: it sees every request in clear, and answers or changes what a test tells it to. */
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Agent, createServer, request as httpsRequest, type Server, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { TLSSocket } from 'node:tls'

export interface SeenRequest {
  method: string
  /** Path and query. */
  path: string
  /** `POST /path HTTP/1.1` */
  line: string
  headers: IncomingHttpHeaders
  /** The head as it came, names and values in turn: nothing merged, nothing dropped. */
  rawHeaders: readonly string[]
  body: Buffer
  /** The CN of the client certificate that came with it; it is not verified, and cannot be passed on. */
  clientCommonName: string | undefined
}

export interface Answer {
  status: number
  headers: OutgoingHttpHeaders
  /** Content-Length is added, except to what comes in pieces: that may never end. */
  body: Buffer | string | AsyncIterable<string | Uint8Array>
}

/** An answer; `'cut'` ends the connection unanswered; undefined leaves it to the upstream. */
export type Replacement = Answer | 'cut' | undefined

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
  /** How it speaks TLS, where that matters: versions, session tickets. */
  tls?: Pick<ServerOptions, 'minVersion' | 'maxVersion' | 'ciphers' | 'sessionTimeout'>
}

export class TlsProxy {
  /** In the order in which they came. */
  readonly requests: SeenRequest[] = []
  /** The CN of each client certificate that was shown in a handshake, whether or not a request followed. */
  readonly clientCertificates: string[] = []
  /** Handshakes that were completed; some of them resumed an earlier session. */
  connections = 0
  resumptions = 0
  /** Of bodies that came in pieces. */
  bytesSent = 0
  /** What the upstream last answered to each path: what can be replayed. */
  readonly answers = new Map<string, Answer>()
  /** Answers by itself where it gives something: the upstream never sees that request. A promise delays it. */
  replace: (request: SeenRequest) => Replacement | Promise<Replacement> = () => undefined
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
    server.on('secureConnection', (socket) => {
      this.connections += 1
      if (socket.isSessionReused()) this.resumptions += 1
      const name = commonName(socket)
      if (name !== undefined) this.clientCertificates.push(name)
    })
    server.on('request', (request, response) => {
      // Upstream or client is gone: the other one is told by the end of its connection.
      this.#serve(request, response).catch(() => request.socket.destroy())
    })
  }

  static async start(options: TlsProxyOptions): Promise<TlsProxy> {
    const { certificate: cert, key, tls } = options
    const server = createServer({ ...tls, cert, key, requestCert: true, rejectUnauthorized: false })
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
    const replacement = await this.replace(seen)
    if (replacement === 'cut') request.socket.destroy()
    else if (replacement === undefined) await this.#forward(seen, response)
    else await this.#send(response, replacement)
  }

  async #send(response: ServerResponse, { status, headers, body }: Answer): Promise<void> {
    if (typeof body === 'string' || body instanceof Buffer) {
      response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
      return
    }
    response.writeHead(status, headers).flushHeaders()
    const pieces = Readable.from(body, { objectMode: true })
    pieces.on('data', (piece: string | Uint8Array) => {
      this.bytesSent += piece.length
    })
    await pipeline(pieces, response)
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
    const honest = { status, headers, body: await buffer(answer) }
    this.answers.set(seen.path, honest)
    await this.#send(response, this.rewrite(seen, honest))
  }
}

function commonName(socket: unknown): string | undefined {
  const name = socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.toLegacyObject().subject.CN : undefined
  return Array.isArray(name) ? name[0] : name
}

async function see(request: IncomingMessage): Promise<SeenRequest> {
  const { method = '', url: path = '', headers, rawHeaders, httpVersion } = request
  return {
    method,
    path,
    line: `${method} ${path} HTTP/${httpVersion}`,
    headers,
    rawHeaders,
    body: await buffer(request),
    clientCommonName: commonName(request.socket),
  }
}

/** Headers that speak about one connection only. Both connections here have their own. */
function withoutHopByHop(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const hop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer'])
  const kept = Object.entries(headers).filter(([name]) => !hop.has(name))
  return Object.fromEntries(kept)
}
