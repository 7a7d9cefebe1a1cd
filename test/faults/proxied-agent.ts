/** The real loop in this process, over real TLS and real files, behind a proxy that breaks what passes through it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeFiles } from '../../src/adapters/files.ts'
import { GotHttp } from '../../src/adapters/http.ts'
import { systemProcesses } from '../../src/adapters/processes.ts'
import { Loop } from '../../src/agent/loop.ts'
import type { StatusBody } from '../../src/agent/status.ts'
import { ConfigurationSource } from '../../src/compose/configuration-source.ts'
import { clusterInfoKubeconfig } from '../../src/dev-cluster/cluster-info.ts'
import { startDevCluster, type DevCluster } from '../../src/dev-cluster/dev-cluster.ts'
import { ApiClient } from '../../src/kube/api-request.ts'
import type { Http, Log, LogFields } from '../../src/lib/ports.ts'
import { askForRenewal } from '../../src/store/asked-renewal.ts'
import { joinFiles, writeJoinConfiguration, type JoinFiles } from '../harness/join-configuration.ts'
import { TcpProxy } from '../harness/tcp-proxy.ts'
import { temporaryDirectory } from '../harness/temporary-directory.ts'
import { HeldClock } from './held-clock.ts'

/** Where nothing comes through there is nothing to be patient for. */
const SILENCE_MS = 300

interface Parts {
  cluster: DevCluster
  proxy: TcpProxy
  files: JoinFiles
  source: ConfigurationSource
  disposables: AsyncDisposableStack
}

export class ProxiedAgent implements AsyncDisposable {
  readonly clock = new HeldClock()
  readonly cluster: DevCluster
  readonly proxy: TcpProxy
  readonly files: JoinFiles
  /** What it asked of anybody, answered or not. */
  requests = 0
  /** How long it waits after each failure that it told of, in seconds. What is left of it when the pause begins is less. */
  readonly waits: number[] = []
  /** The proxy lets nothing through. */
  isSilent = false
  status: StatusBody | undefined
  readonly lines: string[] = []
  readonly #http = new GotHttp()
  readonly #loop: Loop
  readonly #stop = new AbortController()
  readonly #disposables: AsyncDisposableStack
  #watches = 0
  #news = Promise.withResolvers<undefined>()

  private constructor({ cluster, proxy, files, source, disposables }: Parts, configurationPath: string) {
    this.cluster = cluster
    this.proxy = proxy
    this.files = files
    this.#disposables = disposables
    const http = this.#countedHttp()
    this.#loop = new Loop(
      {
        files: nodeFiles,
        network: { ownAddresses: () => Promise.resolve([]) },
        clock: this.clock,
        // No pause is longer than a minute, at which the wall clock is looked at: each is one sleep.
        random: { fraction: () => 0.49 },
        processes: systemProcesses,
        http,
        client: new ApiClient(http, this.clock, 'test'),
        log: this.#log(),
        configurationPath,
        credentialsDirectory: undefined,
        certificateFile: undefined,
        report: (status) => {
          this.status = status
          this.#tell()
        },
        onQuiet: () => undefined,
      },
      source.configuration,
      undefined,
    )
  }

  /** On a machine and with a cluster of its own, which knows itself by the proxy's address; `start` is still to be called. */
  static async create(approval: 'automatic' | 'manual'): Promise<ProxiedAgent> {
    const disposables = new AsyncDisposableStack()
    const { path: directory } = disposables.use(await temporaryDirectory())
    const cluster = disposables.adopt(await startDevCluster({ approval }), (started) => started.stop())
    const proxy = disposables.adopt(await TcpProxy.start(cluster.endpoint), (started) => started.stop())
    const { endpoint } = proxy
    const kubeconfig = clusterInfoKubeconfig(`https://${endpoint}`, cluster.caPem)
    cluster.patchClusterInfo(() => ({ kubeconfig }), { sign: true })
    const controlPlane = { endpoint, caCertHash: cluster.caCertHash }
    const { path } = await writeJoinConfiguration({ directory, controlPlane, token: cluster.createToken() })
    const source = await ConfigurationSource.open(nodeFiles, path)
    return new ProxiedAgent({ cluster, proxy, files: joinFiles(directory), source, disposables }, path)
  }

  start(): void {
    const running = this.#loop.run(this.#stop.signal)
    this.#disposables.defer(async () => {
      this.#stop.abort()
      await running
      this.#http.close()
    })
  }

  get failures(): number {
    return this.waits.length
  }

  get current(): string {
    return readFileSync(join(this.files.certificates, 'kubelet-client-current.pem'), 'utf8')
  }

  /** As `node-bootstrap renew` asks for it. */
  async renew(): Promise<void> {
    const fingerprint = this.status?.certificate?.fingerprint.replace('SHA256:', '')
    if (fingerprint === undefined) throw new Error('there is no certificate to renew')
    await askForRenewal(nodeFiles, this.files.state, fingerprint)
    this.#loop.retryNow()
  }

  /** Nothing is left to do, and it has begun to wait for the next time. */
  async atRest(): Promise<void> {
    await this.until(() => this.status?.state === 'healthy' && this.status.step === undefined)
    await this.clock.paused()
  }

  /** So many failures were told, and it has begun to wait after the last. */
  async waitingAfter(failures: number): Promise<void> {
    await this.until(() => this.failures >= failures)
    await this.clock.paused()
  }

  /** The API server has answered to so many watches since the start. */
  watching(count: number): Promise<void> {
    return this.until(() => this.#watches >= count)
  }

  /** Asked at each report. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await this.#news.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disposables.disposeAsync()
  }

  #tell(): void {
    this.#news.resolve(undefined)
    this.#news = Promise.withResolvers()
  }

  #countedHttp(): Http {
    const http = this.#http
    const limited = (ms: number): number => (this.isSilent ? Math.min(ms, SILENCE_MS) : ms)
    return {
      request: (request) => {
        this.requests += 1
        return http.request({ ...request, timeoutMs: limited(request.timeoutMs) })
      },
      stream: async (request) => {
        this.requests += 1
        // Of a watch that has begun nothing can be changed any more.
        const stream = await http.stream({ ...request, timeoutMs: limited(request.timeoutMs), streamTimeoutMs: 2000 })
        this.#watches += 1
        this.#tell()
        return stream
      },
      presentedCertificates: (url, timeoutMs, signal) => {
        this.requests += 1
        return http.presentedCertificates(url, limited(timeoutMs), signal)
      },
      close: () => {
        http.close()
      },
    }
  }

  #log(): Log {
    const line = (message: string, fields: LogFields = {}): void => {
      if (fields['retryInSeconds'] !== undefined) this.waits.push(Number(fields['retryInSeconds']))
      this.lines.push(JSON.stringify({ message, ...fields }))
    }
    return { error: line, warn: line, info: line, debug: line }
  }
}
