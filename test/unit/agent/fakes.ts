/** The outside world for tests of the loop: time that passes only in sleeps, files in memory, and a cluster that answers in process. */
import { dirname, posix } from 'node:path'
import {
  createCertificateAuthority,
  type CertificateAuthority,
} from '../../../src/dev-cluster/certificate-authority.ts'
import { detachedJws } from '../../../src/dev-cluster/bootstrap-tokens.ts'
import { parseCertificateRequest } from '../../../src/dev-cluster/certificate-request.ts'
import { clusterInfoKubeconfig } from '../../../src/dev-cluster/cluster-info.ts'
import { SERVING_SIGNER } from '../../../src/kube/certificate-signing-request.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { listAt, parseJson, textAt } from '../../../src/lib/json.ts'
import type {
  Clock,
  FileFacts,
  Files,
  Http,
  HttpRequest,
  HttpResponse,
  HttpStream,
  Log,
  LogFields,
  LogLevel,
} from '../../../src/lib/ports.ts'
import { DAY_MS, MINUTE_MS, NOW_MS, TOKEN_ID, TOKEN_SECRET } from './fixtures.ts'

/** A sleep takes no real time: it moves both clocks on and returns. */
export class VirtualClock implements Clock {
  readonly sleeps: number[] = []
  /** Called when time has moved on, before the sleep returns. */
  afterSleep: (ms: number, signal: AbortSignal) => void | Promise<void> = () => undefined
  #nowMs = NOW_MS
  #monotonicMs = 0
  #boots = 1

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  bootId(): string {
    return `boot-${this.#boots}`
  }

  /** The wall clock and, in another boot, the monotonic one go on. */
  reboot(): void {
    this.#boots += 1
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    // Time passes when nothing else can happen: what is waited for beside the sleep, and is there, comes first.
    await new Promise((resolve) => setImmediate(resolve))
    if (signal.aborted) return
    this.sleeps.push(ms)
    this.pass(ms)
    await this.afterSleep(ms, signal)
  }

  pass(ms: number): void {
    this.#nowMs += ms
    this.#monotonicMs += ms
  }

  /** The wall clock alone, as by an administrator or after a suspend. */
  step(ms: number): void {
    this.#nowMs += ms
  }
}

interface Entry {
  kind: FileFacts['kind']
  content: Uint8Array
  target: string
  mode: number
  /** Another user's than the agent's and root. Default: false. */
  isOthers?: boolean
  modifiedMs: number
}

export class MemoryFiles implements Files {
  readonly entries = new Map<string, Entry>()
  /** Throws in place of an effect. */
  fault: (method: keyof Files, path: string) => void = () => undefined
  /** Bits that every file has, whatever mode it is given: as on a file system that keeps none. */
  bitsOfAll = 0
  /** The same, of one path. */
  bitsOf: (path: string) => number = () => 0
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  text(path: string): string | undefined {
    const entry = this.entries.get(path)
    if (entry?.kind === 'link') return this.text(posix.resolve(dirname(path), entry.target))
    return entry === undefined ? undefined : Buffer.from(entry.content).toString('utf8')
  }

  read(path: string, maxBytes = Infinity): Promise<Uint8Array | undefined> {
    return this.#effect('read', path, () => {
      const text = this.text(path)
      if (text !== undefined && text.length > maxBytes)
        throw new BootstrapError('storage-malformed', `${path} is larger than ${maxBytes} bytes`)
      return text === undefined ? undefined : Buffer.from(text)
    })
  }

  stat(path: string): Promise<FileFacts | undefined> {
    return this.#effect('stat', path, () => {
      const entry = this.entries.get(path)
      if (entry === undefined) return undefined
      const { kind, mode, modifiedMs, isOthers = false, content } = entry
      return { kind, mode: mode | this.bitsOfAll | this.bitsOf(path), modifiedMs, isOthers, sizeBytes: content.length }
    })
  }

  realPath(path: string): Promise<string | undefined> {
    return this.#effect('realPath', path, () => {
      const entry = this.entries.get(path)
      return entry?.kind === 'link' ? posix.resolve(dirname(path), entry.target) : entry && path
    })
  }

  readLink(path: string): Promise<string | undefined> {
    return this.#effect('readLink', path, () => this.entries.get(path)?.target)
  }

  list(directory: string): Promise<string[]> {
    return this.#effect('list', directory, () =>
      [...this.entries.keys()]
        .filter((path) => dirname(path) === directory)
        .map((path) => posix.basename(path))
        .sort(),
    )
  }

  makeDirectory(path: string): Promise<void> {
    return this.#effect('makeDirectory', path, () => undefined)
  }

  createSynced(path: string, data: Uint8Array, mode: number, modifiedMs = this.#clock.nowMs()): Promise<void> {
    return this.#effect('createSynced', path, () => {
      this.#put(path, { kind: 'file', content: Uint8Array.from(data), mode, modifiedMs })
    })
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#effect('symlink', path, () => {
      this.#put(path, { kind: 'link', target })
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.#effect('rename', to, () => {
      const entry = this.entries.get(from)
      if (entry === undefined) throw new BootstrapError('storage-failed', `${from} is not there`)
      this.entries.delete(from)
      this.entries.set(to, entry)
    })
  }

  remove(path: string): Promise<void> {
    return this.#effect('remove', path, () => {
      this.entries.delete(path)
    })
  }

  syncDirectory(path: string): Promise<void> {
    return this.#effect('syncDirectory', path, () => undefined)
  }

  #put(path: string, entry: Partial<Entry> & Pick<Entry, 'kind'>): void {
    if (this.entries.has(path)) throw new BootstrapError('storage-failed', `${path} is there already`)
    const modifiedMs = this.#clock.nowMs()
    this.entries.set(path, {
      content: new Uint8Array(),
      target: '',
      mode: 0o777,
      modifiedMs,
      ...entry,
    })
  }

  async #effect<Value>(method: keyof Files, path: string, effect: () => Value): Promise<Value> {
    await Promise.resolve()
    this.fault(method, path)
    return effect()
  }
}

export interface LoggedLine {
  level: LogLevel
  message: string
  fields: LogFields
}

export function memoryLog(): { log: Log; lines: LoggedLine[] } {
  const lines: LoggedLine[] = []
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      lines.push({ level, message, fields })
    }
  return { lines, log: { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') } }
}

export interface SeenRequest {
  method: string
  path: string
  isWatch: boolean
  /** Where a watch begins. */
  resourceVersion: string | null
  requester: 'anonymous' | 'bootstrap' | 'node'
  atMs: number
}

interface StoredRequest {
  name: string
  uid: string
  resourceVersion: number
  spec: Record<string, unknown>
  requester: SeenRequest['requester']
  createdAtMs: number
  conditions: { type: string; status: string; reason: string; message: string; lastUpdateTime: string }[]
  certificate: string | undefined
}

export type Fault = HttpResponse | BootstrapError | undefined

export const jsonResponse = (status: number, value: unknown, headers: Record<string, string> = {}): HttpResponse => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: Buffer.from(JSON.stringify(value)),
})

export const statusResponse = (code: number, message: string, headers: Record<string, string> = {}): HttpResponse =>
  jsonResponse(code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code }, headers)

const CSRS = '/apis/certificates.k8s.io/v1/certificatesigningrequests'

/** cluster-info, /version and certificate signing requests, with an approver and a signer that follow the virtual clock. */
export class FakeCluster implements Http {
  readonly seen: SeenRequest[] = []
  readonly requests: StoredRequest[] = []
  /** What happens to a request that is created. */
  verdict: 'approve' | 'deny' | 'leave' = 'approve'
  /** Likewise, of one for a serving certificate. */
  servingVerdict: 'approve' | 'deny' | 'leave' = 'leave'
  certificateMs = DAY_MS
  approvalReason = 'AutoApproved'
  /** Replaces what the signer makes. */
  sign: ((publicKey: Uint8Array, name: string) => string) | undefined
  /** In place of any answer, a watch's too. */
  fault: (seen: SeenRequest) => Fault = () => undefined
  /** A request is on its way until this is over, also where its sender has broken it off. */
  delay: (seen: SeenRequest) => Promise<void> = () => Promise.resolve()
  /** What cluster-info says of the CA, in place of `ca` alone: PEM. */
  publishedAuthorities: string | undefined
  /** In place of a watch's events. */
  watchLines: ((name: string) => Iterable<unknown>) | undefined
  readonly ca: CertificateAuthority
  readonly #clock: VirtualClock
  readonly #server: string
  readonly #changed = new EventTarget()
  readonly #deleted = new Map<string, StoredRequest>()
  #oldest = 0
  #cuts = 0
  #resourceVersion = 100

  constructor(clock: VirtualClock, server = 'https://10.0.0.10:6443', ca = createCertificateAuthority()) {
    this.#clock = clock
    this.#server = server
    this.ca = ca
  }

  get posts(): SeenRequest[] {
    return this.seen.filter(({ method }) => method === 'POST')
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    await Promise.resolve()
    if (request.signal.aborted) throw new BootstrapError('connection-lost', 'broken off')
    const seen = this.#record(request, false)
    const fault = this.fault(seen)
    if (fault instanceof BootstrapError) throw fault
    return (
      fault ??
      (await heard(
        this.delay(seen).then(() => this.#answer(request, seen)),
        request.signal,
      ))
    )
  }

  async stream(request: HttpRequest): Promise<HttpStream> {
    await Promise.resolve()
    const fault = this.fault(this.#record(request, true))
    if (fault instanceof BootstrapError) throw fault
    const head = { headers: { 'content-type': 'application/json' } }
    if (fault !== undefined) return { ...fault, chunks: oneChunk(fault.body) }
    const name = (request.url.searchParams.get('fieldSelector') ?? '').replace('metadata.name=', '')
    const since = Number(request.url.searchParams.get('resourceVersion'))
    return { ...head, status: 200, chunks: this.#events(name, since, request.signal) }
  }

  presentedCertificates(): Promise<readonly Uint8Array[]> {
    return Promise.resolve([])
  }

  close(): void {
    // Nothing is open.
  }

  settle(name: string, verdict: 'approve' | 'deny'): void {
    const request = this.requests.find((each) => each.name === name)
    if (request === undefined) throw new Error(`there is no ${name}`)
    this.#judge(request, verdict)
  }

  delete(name: string): void {
    const index = this.requests.findIndex((each) => each.name === name)
    for (const deleted of this.requests.splice(index, 1)) this.#deleted.set(name, deleted)
    this.#changed.dispatchEvent(new Event('change'))
  }

  /** As a restart does: every watch breaks, and none can begin before now. */
  restart(): void {
    this.#resourceVersion += 10
    this.#oldest = this.#resourceVersion
    this.#cuts += 1
    this.#changed.dispatchEvent(new Event('change'))
  }

  #record(request: HttpRequest, isWatch: boolean): SeenRequest {
    const { url, method, headers = {}, clientIdentity } = request
    const requester =
      clientIdentity !== undefined ? 'node' : headers['authorization'] === undefined ? 'anonymous' : 'bootstrap'
    const resourceVersion = url.searchParams.get('resourceVersion')
    const seen = { method, path: url.pathname, isWatch, resourceVersion, requester, atMs: this.#clock.nowMs() } as const
    this.seen.push(seen)
    return seen
  }

  #answer({ url, method, body }: HttpRequest, seen: SeenRequest): HttpResponse {
    if (url.pathname === '/version') return jsonResponse(200, { major: '1', minor: '36' })
    if (url.pathname.endsWith('/configmaps/cluster-info')) return this.#clusterInfo()
    if (url.pathname === CSRS && method === 'POST') return this.#create(parseJson(Buffer.from(body ?? '')), seen)
    const selector = url.searchParams.get('fieldSelector')
    return jsonResponse(200, {
      kind: 'CertificateSigningRequestList',
      metadata: { resourceVersion: String(this.#resourceVersion) },
      items: this.requests.filter(({ name }) => selector === `metadata.name=${name}`).map(objectOf),
    })
  }

  #clusterInfo(): HttpResponse {
    const kubeconfig = clusterInfoKubeconfig(this.#server, this.publishedAuthorities ?? this.ca.certificatePem)
    const signature = detachedJws(kubeconfig, { id: TOKEN_ID, secret: TOKEN_SECRET })
    return jsonResponse(200, { kind: 'ConfigMap', data: { kubeconfig, [`jws-kubeconfig-${TOKEN_ID}`]: signature } })
  }

  #create(object: unknown, { requester }: SeenRequest): HttpResponse {
    const name = textAt(object, 'metadata', 'name') ?? ''
    if (this.requests.some((each) => each.name === name)) return statusResponse(409, `${name} already exists`)
    const created: StoredRequest = {
      name,
      uid: `uid-${this.seen.length}`,
      resourceVersion: (this.#resourceVersion += 1),
      spec: (object as { spec: Record<string, unknown> }).spec,
      requester,
      createdAtMs: this.#clock.nowMs(),
      conditions: [],
      certificate: undefined,
    }
    this.requests.push(created)
    const response = jsonResponse(201, objectOf(created))
    const isServing = textAt(created.spec, 'signerName') === SERVING_SIGNER
    const verdict = isServing ? this.servingVerdict : this.verdict
    if (verdict !== 'leave') this.#judge(created, verdict)
    return response
  }

  #judge(request: StoredRequest, verdict: 'approve' | 'deny'): void {
    request.resourceVersion = this.#resourceVersion += 1
    const [type, reason] = verdict === 'approve' ? ['Approved', this.approvalReason] : ['Denied', 'KubectlDeny']
    const lastUpdateTime = new Date(this.#clock.nowMs()).toISOString()
    request.conditions.push({ type, status: 'True', reason, message: `a test said ${verdict}`, lastUpdateTime })
    if (verdict === 'approve') request.certificate = this.#signed(request)
    this.#changed.dispatchEvent(new Event('change'))
  }

  #signed({ spec, name }: StoredRequest): string {
    const asked = parseCertificateRequest(Buffer.from(textAt(spec, 'request') ?? '', 'base64'))
    if (this.sign !== undefined) return this.sign(asked.subjectPublicKeyInfo, name)
    return this.ca.issue({
      subjectPublicKeyInfo: asked.subjectPublicKeyInfo,
      commonName: asked.commonName,
      organizations: asked.organizations,
      dnsNames: asked.dnsNames,
      ipAddresses: asked.ipAddresses,
      extendedKeyUsages: listAt(spec, 'usages').includes('client auth') ? ['clientAuth'] : ['serverAuth'],
      notBeforeMs: this.#clock.nowMs() - 5 * MINUTE_MS,
      notAfterMs: this.#clock.nowMs() + this.certificateMs,
    }).certificatePem
  }

  async *#events(name: string, since: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    if (this.watchLines !== undefined) {
      for (const line of this.watchLines(name)) yield Buffer.from(`${JSON.stringify(line)}\n`)
      return
    }
    if (since < this.#oldest) {
      const object = { kind: 'Status', code: 410, message: `too old resource version: ${since} (${this.#oldest})` }
      yield Buffer.from(`${JSON.stringify({ type: 'ERROR', object })}\n`)
      return
    }
    const cuts = this.#cuts
    for (let version = since; !signal.aborted;) {
      if (cuts !== this.#cuts) throw new BootstrapError('connection-lost', 'the API server restarts')
      const found = this.requests.find((each) => each.name === name)
      const deleted = this.#deleted.get(name)
      if (found === undefined && deleted !== undefined) {
        yield Buffer.from(`${JSON.stringify({ type: 'DELETED', object: objectOf(deleted) })}\n`)
        return
      }
      // A name that was never here brings no event at all, as with a real API server.
      if (found !== undefined && found.resourceVersion > version) {
        version = found.resourceVersion
        yield Buffer.from(`${JSON.stringify({ type: 'MODIFIED', object: objectOf(found) })}\n`)
      } else await this.#change(signal)
    }
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        resolve()
      }
      this.#changed.addEventListener('change', done, { once: true, signal })
      signal.addEventListener('abort', done, { once: true })
    })
  }
}

/** Who breaks a request off does not hear what comes of it. */
const heard = (answer: Promise<HttpResponse>, signal: AbortSignal): Promise<HttpResponse> =>
  new Promise((resolve, reject) => {
    answer.then(resolve, reject)
    signal.addEventListener('abort', () => {
      reject(new BootstrapError('connection-lost', 'broken off'))
    })
  })

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  yield bytes
}

export const objectOf = (request: StoredRequest): unknown => ({
  apiVersion: 'certificates.k8s.io/v1',
  kind: 'CertificateSigningRequest',
  metadata: {
    name: request.name,
    uid: request.uid,
    resourceVersion: String(request.resourceVersion),
    creationTimestamp: new Date(request.createdAtMs).toISOString(),
  },
  spec: {
    ...request.spec,
    username: request.requester === 'node' ? 'system:node:worker-1' : `system:bootstrap:${TOKEN_ID}`,
  },
  status: {
    conditions: request.conditions,
    ...(request.certificate === undefined ? {} : { certificate: Buffer.from(request.certificate).toString('base64') }),
  },
})
