/**
 * The http port bound to the request handlers of embedded control planes: Node's own HTTP over a pair of streams in memory,
 * without sockets and TLS. Trust is judged by the CA that the request names, and a client certificate by its key.
 */
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import { duplexPair, type Duplex } from 'node:stream'
import type { DevCluster } from '../../../src/dev-cluster/dev-cluster.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import type { ClientIdentity, Clock, Http, HttpRequest, HttpResponse, HttpStream } from '../../../src/lib/ports.ts'
import { parseCertificates } from '../../../src/pki/certificate.ts'
import { subjectPublicKeyInfo } from '../../../src/pki/private-key.ts'

/** `refusing`: nobody listens. `silent`: packets are dropped. `slow`: what creates something stays on its way. */
export type Reachability = 'reachable' | 'refusing' | 'silent' | 'slow'

/** An API server gives up after a minute, and its etcd some seconds later. */
const LONGEST_ARRIVAL_MS = 70_000

/** A request on its way: its sender may have stopped listening long ago. */
interface OnItsWay {
  sentAtMs: number
  arrive: () => Promise<void>
}

/** The control planes and the way to them. */
export class SimulatedNetwork {
  /** The node's sleep, and the cluster's time. */
  readonly clock: Pick<Clock, 'nowMs' | 'sleep'>
  reachability: Reachability = 'reachable'
  readonly #connections = new Set<Duplex>()
  #onTheirWay: OnItsWay[] = []
  readonly #hosts: ReadonlyMap<string, { cluster: DevCluster; listener: Server }>
  #identities = new WeakMap<Duplex, readonly Uint8Array[]>()

  constructor(clusters: readonly DevCluster[], clock: Pick<Clock, 'nowMs' | 'sleep'>) {
    this.clock = clock
    this.#hosts = new Map(
      clusters.map((cluster) => [cluster.endpoint, { cluster, listener: this.#listenerOf(cluster) }]),
    )
  }

  #listenerOf(cluster: DevCluster): Server {
    const listener = createServer((incoming, response) => {
      response.setHeader('date', new Date(this.clock.nowMs()).toUTCString())
      void cluster.handle(incoming, response, this.#identities.get(incoming.socket) ?? [])
    })
    // What the clock of the test does not know of.
    listener.keepAliveTimeout = 0
    listener.requestTimeout = 0
    listener.headersTimeout = 0
    return listener
  }

  /** Whose server is there; undefined where nobody's is. */
  clusterAt(host: string): DevCluster | undefined {
    return this.#hosts.get(host)?.cluster
  }

  /** The client's end of a new connection. */
  connect(host: string, clientCertificates: readonly Uint8Array[]): Duplex {
    const [client, server] = duplexPair()
    this.#identities.set(server, clientCertificates)
    this.#connections.add(client)
    client.on('close', () => {
      this.#connections.delete(client)
      server.destroy()
    })
    this.#hosts.get(host)?.listener.emit('connection', server)
    return client
  }

  /** It is answered by `answer` when it arrives. */
  send(answer: () => Promise<void>): void {
    this.#onTheirWay.push({ sentAtMs: this.clock.nowMs(), arrive: answer })
  }

  /** What is on its way, and has not been given up, arrives. */
  async letArrive(): Promise<void> {
    const arriving = this.#onTheirWay
    this.loseWhatIsOnItsWay()
    for (const { sentAtMs, arrive } of arriving) if (this.clock.nowMs() - sentAtMs <= LONGEST_ARRIVAL_MS) await arrive()
  }

  loseWhatIsOnItsWay(): void {
    this.#onTheirWay = []
  }

  cut(): void {
    for (const connection of this.#connections) connection.destroy(new Error('cut'))
  }
}

const lost = (url: URL): BootstrapError => new BootstrapError('connection-lost', `${url.host}: the connection was lost`)

/** Of one process: `close` ends its connections alone. */
export class SimulatedHttp implements Http {
  /** Watches whose next event is waited for, and requests that nobody will answer. */
  waiting = 0
  /** Requests that are under way. */
  inFlight = 0
  readonly #network: SimulatedNetwork
  readonly #own = new Set<Duplex>()

  constructor(network: SimulatedNetwork) {
    this.#network = network
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    await this.#reach(request)
    if (this.#network.reachability === 'slow' && request.method === 'POST') return await this.#sendSlowly(request)
    this.inFlight += 1
    try {
      return await this.#answer(request)
    } catch (thrown) {
      throw thrown instanceof BootstrapError ? thrown : lost(request.url)
    } finally {
      this.inFlight -= 1
    }
  }

  async stream(request: HttpRequest): Promise<HttpStream> {
    await this.#reach(request)
    this.inFlight += 1
    try {
      const response = await this.#send(request)
      return { ...headOf(response), chunks: this.#chunks(response, request.url) }
    } finally {
      this.inFlight -= 1
    }
  }

  presentedCertificates(): Promise<readonly Uint8Array[]> {
    return Promise.resolve([])
  }

  close(): void {
    for (const connection of this.#own) connection.destroy()
  }

  async *#chunks(response: IncomingMessage, url: URL): AsyncGenerator<Uint8Array> {
    try {
      const chunks = (response as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
      for (;;) {
        this.waiting += 1
        const next = await chunks.next().finally(() => {
          this.waiting -= 1
        })
        if (next.done === true) return
        yield next.value
      }
    } catch {
      throw lost(url)
    } finally {
      response.destroy()
    }
  }

  async #answer(request: HttpRequest): Promise<HttpResponse> {
    const response = await this.#send(request)
    const chunks: Uint8Array[] = []
    for await (const chunk of response as AsyncIterable<Uint8Array>) chunks.push(chunk)
    return { ...headOf(response), body: Buffer.concat(chunks) }
  }

  /** It arrives whether or not this waits for it. */
  async #sendSlowly(request: HttpRequest): Promise<HttpResponse> {
    const { clock } = this.#network
    const heard = new AbortController()
    const answer = new Promise<HttpResponse>((resolve) => {
      this.#network.send(async () => {
        resolve(await this.#answer({ ...request, signal: new AbortController().signal }))
      })
    })
    const silence = clock.sleep(request.timeoutMs, AbortSignal.any([request.signal, heard.signal])).then(() => {
      throw new BootstrapError('timed-out', `${request.url.host} was silent`)
    })
    this.waiting += 1
    try {
      return await Promise.race([answer, silence])
    } finally {
      this.waiting -= 1
      heard.abort()
    }
  }

  async #send(request: HttpRequest): Promise<IncomingMessage> {
    const { url, method, headers, body, signal } = request
    const connection = this.#network.connect(url.host, presented(request.clientIdentity))
    this.#own.add(connection)
    connection.on('close', () => this.#own.delete(connection))
    return await new Promise((resolve, reject) => {
      const sent = httpRequest({
        createConnection: () => connection,
        method,
        path: url.pathname + url.search,
        headers: { host: url.host, ...headers },
        signal,
      })
      sent.on('response', resolve).on('error', () => {
        reject(lost(url))
      })
      sent.end(body)
    })
  }

  async #reach({ url, trust, timeoutMs, signal }: HttpRequest): Promise<void> {
    const { reachability, clock } = this.#network
    if (reachability === 'refusing') throw new BootstrapError('connection-refused', `${url.host} refuses connections`)
    if (reachability === 'silent') {
      this.waiting += 1
      await clock.sleep(timeoutMs, signal)
      this.waiting -= 1
      throw new BootstrapError('timed-out', `${url.host} was silent for ${timeoutMs / 1000} s`)
    }
    const cluster = this.#network.clusterAt(url.host)
    if (cluster === undefined) throw new BootstrapError('unreachable', `nothing is at ${url.host}`)
    if (trust !== 'unverified' && !trust.roots.some((root) => root.trim() === cluster.caPem.trim()))
      throw new BootstrapError('server-untrusted', `${url.host} holds no certificate of a trusted CA`)
  }
}

function headOf(response: IncomingMessage): Omit<HttpResponse, 'body'> {
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]),
  )
  return { status: response.statusCode ?? 0, headers }
}

/** What TLS would show of it: the chain, once its key has been proven. */
function presented(identity: ClientIdentity | undefined): Uint8Array[] {
  if (identity === undefined) return []
  const chain = parseCertificates(identity.certificateChain)
  const [leaf] = chain
  const holdsKey = Buffer.from(leaf.spki).equals(subjectPublicKeyInfo(identity.privateKey))
  if (!holdsKey) throw new Error('the key of a client certificate is another')
  return chain.map(({ der }) => der)
}
