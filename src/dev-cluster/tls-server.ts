/** The TLS listener: counts connections, records requests, plays injected faults, and can be cut off and brought back. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls'

/** What happened on the wire; no header values, so that no credential is kept. */
export interface RecordedRequest {
  method: string
  /** With its query. */
  path: string
  /** Absent where authentication refused, or a fault came before it. */
  user?: string
  hasAuthorization: boolean
  hasClientCertificate: boolean
  /** Absent until a response has begun. */
  status?: number
  /** Counts from 1 over the life of the cluster; requests of one number shared a connection. */
  connection: number
}

export interface InjectedResponse {
  status: number
  headers?: Readonly<Record<string, string>>
  /** An async iterable may go on for ever; it is stopped when the client goes. */
  body?: string | Uint8Array | AsyncIterable<string | Uint8Array>
}

/** `destroy` cuts the connection, `hang` never answers, undefined lets the request through. */
export type Fault = InjectedResponse | 'destroy' | 'hang' | undefined
export type FaultHook = (request: Readonly<RecordedRequest>) => Fault | Promise<Fault>

export interface ServerCertificate {
  /** PEM, leaf first. */
  certificatePem: string
  privateKeyPem: string
}

export interface TlsServerOptions {
  host: string
  port: number
  certificate: ServerCertificate
  requestLogLimit: number
  answer: (incoming: IncomingMessage, response: ServerResponse, record: RecordedRequest) => Promise<void>
}

export class TlsServer {
  /** The most recent ones, oldest first. */
  readonly requests: RecordedRequest[] = []
  respond: FaultHook | undefined
  connections = 0
  readonly #options: TlsServerOptions
  readonly #server
  readonly #sockets = new Map<Socket, number>()
  #port: number

  constructor(options: TlsServerOptions) {
    this.#options = options
    this.#port = options.port
    this.#server = createServer(
      {
        ...tlsIdentity(options.certificate),
        // As kube-apiserver: a client certificate is asked for, and judged by the authenticator and not by TLS.
        requestCert: true,
        rejectUnauthorized: false,
        ALPNProtocols: ['http/1.1'],
      },
      (incoming, response) => {
        // A hook that throws must not leave its request without an end.
        this.#serve(incoming, response).catch(() => response.destroy())
      },
    )
    this.#server.on('secureConnection', (socket) => {
      this.connections += 1
      this.#sockets.set(socket, this.connections)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /** Known once it listens. */
  get port(): number {
    return this.#port
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#port, this.#options.host, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Cuts every connection and stops listening. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve()
      })
    })
    this.#server.closeAllConnections()
    for (const socket of this.#sockets.keys()) socket.destroy()
    await closed
  }

  /** For later handshakes. */
  useCertificate(certificate: ServerCertificate): void {
    this.#server.setSecureContext(tlsIdentity(certificate))
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = incoming
    const record: RecordedRequest = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      hasAuthorization: incoming.headers.authorization !== undefined,
      hasClientCertificate: peerCertificates(socket).length > 0,
      connection: this.#sockets.get(socket) ?? 0,
    }
    this.requests.push(record)
    if (this.requests.length > this.#options.requestLogLimit) this.requests.shift()
    const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse
    response.writeHead = (...args: unknown[]) => {
      record.status = Number(args[0])
      return writeHead(...args)
    }
    const fault = await this.respond?.({ ...record })
    if (fault === undefined) await this.#options.answer(incoming, response, record)
    else await play(fault, response)
  }
}

const tlsIdentity = ({ certificatePem, privateKeyPem }: ServerCertificate): { cert: string; key: string } => ({
  cert: certificatePem,
  key: privateKeyPem,
})

async function play(fault: NonNullable<Fault>, response: ServerResponse): Promise<void> {
  if (fault === 'hang') return
  if (fault === 'destroy') {
    response.destroy()
    return
  }
  const { status, headers = { 'Content-Type': 'application/json' }, body = '' } = fault
  response.writeHead(status, headers)
  if (typeof body === 'string' || body instanceof Uint8Array) {
    response.end(body)
    return
  }
  response.flushHeaders()
  for await (const chunk of body) {
    if (response.destroyed) return
    if (!response.write(chunk)) await drained(response)
  }
  response.end()
}

const drained = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })

/** The chain as the client sent it, DER, leaf first. */
export function peerCertificates(socket: Socket): Uint8Array[] {
  const chain: Uint8Array[] = []
  if (!(socket instanceof TLSSocket)) return chain
  // An object without `raw` stands for no certificate; a last one without a known issuer has no issuerCertificate.
  let certificate: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true)
  while (certificate?.raw !== undefined && !chain.some((known) => certificate?.raw?.equals(known))) {
    chain.push(certificate.raw)
    certificate = certificate.issuerCertificate
  }
  return chain
}
