/** A forward proxy on loopback, over TLS or without, that tunnels CONNECT to a place of the test's choosing, or answers as the test tells it to. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

export interface SeenConnect {
  /** `host:port` as it was asked for. */
  target: string
  headers: IncomingHttpHeaders
  /** Whether a client certificate was shown; a proxy over TLS asks for one. */
  isCertified: boolean
}

export class ConnectProxy implements AsyncDisposable {
  readonly connects: SeenConnect[] = []
  /** Where a tunnel leads, as `host:port`. Default: to that port on 127.0.0.1, whatever the name. */
  route: (target: string) => string = (target) => `127.0.0.1:${target.slice(target.lastIndexOf(':') + 1)}`
  /** Bytes in place of a tunnel. */
  answer: (seen: SeenConnect) => string | undefined = () => undefined
  readonly url: string
  readonly #server: Server
  readonly #sockets = new Set<Duplex>()

  private constructor(server: Server, scheme: 'http' | 'https') {
    this.#server = server
    this.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('connect', ({ url = '', headers }, socket: Duplex) => {
      const isCertified = socket instanceof TLSSocket && 'raw' in socket.getPeerCertificate()
      this.#connect({ target: url, headers, isCertified }, socket)
    })
  }

  /** Over TLS where it is given a certificate. PEM. */
  static async start(pair?: { certificatePem: string; privateKeyPem: string }): Promise<ConnectProxy> {
    const refuse: RequestListener = (_request, response) => response.writeHead(405).end()
    const server =
      pair === undefined
        ? createServer(refuse)
        : createTlsServer(
            { cert: pair.certificatePem, key: pair.privateKeyPem, requestCert: true, rejectUnauthorized: false },
            refuse,
          )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new ConnectProxy(server, pair === undefined ? 'http' : 'https')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.closeAllConnections()
    await this.#server[Symbol.asyncDispose]()
  }

  #connect(seen: SeenConnect, client: Duplex): void {
    this.connects.push(seen)
    this.#keep(client)
    const answer = this.answer(seen)
    if (answer !== undefined) {
      client.end(answer)
      return
    }
    const [host, port] = this.route(seen.target).split(':')
    const upstream: Socket = connect(Number(port), host)
    this.#keep(upstream)
    upstream.once('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.pipe(client).pipe(upstream)
    })
    upstream.once('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'))
    client.once('close', () => upstream.destroy())
    upstream.once('close', () => client.destroy())
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
