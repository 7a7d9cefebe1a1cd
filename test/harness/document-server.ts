/** An https server on loopback that hands documents out, as a company's configuration server does: with entity tags, and redirects. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'

export interface HandedOut {
  status?: number
  headers?: Readonly<Record<string, string>>
  body?: string | Buffer
}

export interface DocumentServerOptions {
  /** PEM, leaf first. */
  certificate: string
  /** PEM. */
  key: string
  tls?: ServerOptions
}

export interface SeenDocumentRequest {
  path: string
  headers: IncomingHttpHeaders
  /** What was answered. */
  status: number
}

export class DocumentServer implements AsyncDisposable {
  readonly requests: SeenDocumentRequest[] = []
  /** By path; what is not there is answered with 404. A string is a document of that text. */
  readonly documents = new Map<string, string | HandedOut>()
  readonly port: number
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('request', (request, response) => {
      this.#serve(request, response)
    })
  }

  static async start({ certificate: cert, key, tls = {} }: DocumentServerOptions): Promise<DocumentServer> {
    const server = createServer({ cert, key, ...tls })
    // A client that does not trust it breaks the handshake off: that is what many tests are about.
    server.on('tlsClientError', () => undefined)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new DocumentServer(server)
  }

  /** `https://127.0.0.1:PORT/path`, or with another host's name. */
  url(path: string, host = '127.0.0.1'): string {
    return `https://${host}:${this.port}${path}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return
    this.#server.closeAllConnections()
    await this.#server[Symbol.asyncDispose]()
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '').split('?')[0] ?? ''
    const document = this.documents.get(path) ?? { status: 404 }
    const answer = typeof document === 'string' ? conditional(document, request.headers) : document
    this.requests.push({ path, headers: request.headers, status: answer.status ?? 200 })
    response.writeHead(answer.status ?? 200, answer.headers).end(answer.body)
  }
}

function conditional(body: string, { 'if-none-match': known }: IncomingHttpHeaders): HandedOut {
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`
  return known === etag ? { status: 304, headers: { etag } } : { headers: { etag }, body }
}
