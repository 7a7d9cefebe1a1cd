/** A loopback TCP proxy that breaks connections on command, to see what the agent makes of a bad network. It reads no byte. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

interface Connection {
  client: Socket
  upstream: Socket
}

export class TcpProxy implements AsyncDisposable {
  /** Since the start; refused ones are not seen. */
  connections = 0
  bytesToUpstream = 0
  bytesFromUpstream = 0
  /** `127.0.0.1:PORT`, the same while it refuses. */
  readonly endpoint: string
  readonly #port: number
  readonly #upstream: { host: string; port: number }
  readonly #open = new Set<Connection>()
  /** Sockets whose last piece is still on its way: to read the next one now could let it overtake. */
  readonly #busy = new Set<Socket>()
  #server: Server | undefined
  #stalled = false
  #resetting = false
  #halfClosing = false
  #delayMs = 0

  private constructor(server: Server, upstream: string) {
    this.#port = (server.address() as AddressInfo).port
    this.endpoint = `127.0.0.1:${this.#port}`
    const url = new URL(`tcp://${upstream}`)
    this.#upstream = { host: url.hostname, port: Number(url.port) }
    this.#serve(server)
  }

  /** `upstream` is `host:port`. */
  static async start(upstream: string): Promise<TcpProxy> {
    return new TcpProxy(await listen(0), upstream)
  }

  get openConnections(): number {
    return this.#open.size
  }

  /** As after the start: everything is forwarded at once, and what a stall held back moves on. */
  async comeBack(): Promise<void> {
    this.#resetting = false
    this.#halfClosing = false
    this.#delayMs = 0
    this.#stalled = false
    for (const { client, upstream } of this.#open) {
      this.#readOn(client)
      this.#readOn(upstream)
    }
    if (this.#server === undefined) this.#serve(await listen(this.#port))
  }

  /** Ends the connections that are open, the orderly way; new ones are accepted. */
  cut(): void {
    for (const { client, upstream } of this.#open) {
      client.destroy()
      upstream.destroy()
    }
  }

  /** Resets the connections that are open, and each new one as soon as it is accepted, until `comeBack`. */
  reset(): void {
    this.#resetting = true
    for (const { client, upstream } of this.#open) {
      client.resetAndDestroy()
      upstream.destroy()
    }
  }

  /** Ends its own side of the connections that are open, and of each new one, and reads on; until `comeBack`. */
  halfClose(): void {
    this.#halfClosing = true
    for (const { client } of this.#open) client.end()
  }

  /** Cuts what is open and closes the port: connecting fails, until `comeBack`. */
  async refuse(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    this.cut()
    if (server !== undefined) await server[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.refuse()
  }

  /** Everything stays open and is accepted, and nothing moves, until `comeBack`. */
  stall(): void {
    this.#stalled = true
    for (const { client, upstream } of this.#open) {
      client.pause()
      upstream.pause()
    }
  }

  /** Every piece of data waits that long, in either direction, until `comeBack`. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  async stop(): Promise<void> {
    await this.refuse()
  }

  #serve(server: Server): void {
    this.#server = server
    server.on('connection', (client) => {
      this.#accept(client)
    })
  }

  #accept(client: Socket): void {
    this.connections += 1
    if (this.#resetting) {
      client.resetAndDestroy()
      return
    }
    const upstream = connect({ ...this.#upstream, allowHalfOpen: true })
    const connection = { client, upstream }
    this.#open.add(connection)
    client.on('data', (chunk) => {
      this.bytesToUpstream += chunk.length
      this.#forward(chunk, client, upstream)
    })
    upstream.on('data', (chunk) => {
      this.bytesFromUpstream += chunk.length
      this.#forward(chunk, upstream, client)
    })
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('end', () => {
        this.#later(() => {
          to.end()
        })
      })
      from.on('close', () => {
        this.#open.delete(connection)
        this.#later(() => {
          to.destroySoon()
        })
      })
      // A broken connection is what this proxy is for: the other side is told by `close`.
      from.on('error', () => undefined)
      if (this.#stalled) from.pause()
    }
    if (this.#halfClosing) client.end()
  }

  #forward(chunk: Buffer, from: Socket, to: Socket): void {
    from.pause()
    this.#busy.add(from)
    this.#later(() => {
      if (to.writable) to.write(chunk)
      this.#busy.delete(from)
      this.#readOn(from)
    })
  }

  #readOn(from: Socket): void {
    if (!this.#stalled && !this.#busy.has(from)) from.resume()
  }

  #later(action: () => void): void {
    if (this.#delayMs > 0) setTimeout(action, this.#delayMs)
    else action()
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }).listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}
