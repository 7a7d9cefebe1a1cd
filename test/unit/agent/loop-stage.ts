/** A loop on its stage: every port a fake, the end by virtual time or by a limit of turns, so that a tight loop is a failure and no hang. */
import type { Once } from '../../../src/agent/end-of-run.ts'
import type { CertificateOptions } from '../../../src/dev-cluster/certificate-authority.ts'
import { Loop } from '../../../src/agent/loop.ts'
import type { StatusBody } from '../../../src/agent/status.ts'
import type { JoinConfiguration } from '../../../src/config/index.ts'
import { ApiClient } from '../../../src/kube/api-request.ts'
import type { Processes } from '../../../src/lib/ports.ts'
import { FakeCluster, MemoryFiles, memoryLog, VirtualClock, type LoggedLine } from './fakes.ts'
import { timestamp } from '../../../src/lib/timestamp.ts'
import { privateKeyToPem } from '../../../src/pki/private-key.ts'
import { configurationWith, pairFrom, tokenDiscovery } from './fixtures.ts'

export interface StageOptions {
  configuration?: JoinConfiguration
  once?: Once
  /** Default: 5000. More reports than this are a loop that does not rest. */
  maxReports?: number
  /** Of an earlier stage: a restart. */
  clock?: VirtualClock
  files?: MemoryFiles
  cluster?: FakeCluster
  /** Default: every hook succeeds. */
  processes?: Processes
}

export const pinless = tokenDiscovery({ caCertHashes: [], unsafeSkipCAVerification: true })

export class Stage {
  readonly clock: VirtualClock
  readonly files: MemoryFiles
  readonly cluster: FakeCluster
  readonly lines: LoggedLine[]
  readonly reports: StatusBody[] = []
  readonly loop: Loop
  /** This machine's own, as long as join.yaml lists none. */
  addresses: readonly string[] = ['10.0.0.21']
  readonly network = { ownAddresses: (): Promise<readonly string[]> => Promise.resolve(this.addresses) }
  /** Called after each report. */
  /** By the monotonic clock. */
  readonly quietAtMs: number[] = []
  onReport: (status: StatusBody) => void = () => undefined
  readonly #stop = new AbortController()
  readonly #maxReports: number
  #defect: Error | undefined

  constructor({
    configuration = configurationWith({ discovery: pinless }),
    once,
    maxReports = 5000,
    clock = new VirtualClock(),
    files = new MemoryFiles(clock),
    cluster = new FakeCluster(clock),
    processes = { run: () => Promise.resolve({ kind: 'exited', status: 0 }) },
  }: StageOptions = {}) {
    this.clock = clock
    this.files = files
    this.cluster = cluster
    const { log, lines } = memoryLog()
    this.lines = lines
    this.#maxReports = maxReports
    // A linear congruential generator: jitter that is the same in every run.
    let state = 1
    const random = {
      fraction: (): number => {
        state = (state * 1_103_515_245 + 12_345) % 2 ** 31
        return state / 2 ** 31
      },
    }
    this.loop = new Loop(
      {
        files,
        network: this.network,
        clock,
        random,
        processes,
        log,
        http: cluster,
        client: new ApiClient(cluster, clock, 'test'),
        configurationPath: '/etc/node-bootstrap/join.yaml',
        credentialsDirectory: undefined,
        certificateFile: undefined,
        report: (status) => {
          this.#report(status)
        },
        onQuiet: () => {
          this.quietAtMs.push(clock.monotonicMs())
        },
      },
      configuration,
      once,
    )
  }

  get status(): StatusBody {
    const last = this.reports.at(-1)
    if (last === undefined) throw new Error('nothing was reported')
    return last
  }

  messages(level: LoggedLine['level']): string[] {
    return this.lines.filter((line) => line.level === level).map(({ message }) => message)
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Runs until `ms` of virtual time have passed, or the loop ends by itself. */
  async runFor(ms: number): Promise<void> {
    const endMs = this.clock.monotonicMs() + ms
    const { afterSleep } = this.clock
    this.clock.afterSleep = async (slept, signal) => {
      await afterSleep(slept, signal)
      if (this.clock.monotonicMs() >= endMs) this.stop()
    }
    await this.run()
  }

  /** Runs until `stop`, or until the loop ends by itself. */
  async run(): Promise<void> {
    await this.loop.run(this.#stop.signal)
    if (this.#defect !== undefined) throw this.#defect
  }

  #report(status: StatusBody): void {
    this.reports.push(status)
    if (this.reports.length > this.#maxReports) {
      this.#defect = new Error(`the loop turns without rest: ${status.summary}`)
      this.stop()
    }
    this.onReport(status)
  }
}

/** Another program puts a dated pair there, and moves the link to it. */
export function renewAsAnother(
  { clock, files, cluster }: Stage,
  stem: string,
  options: CertificateOptions,
  authority = cluster.ca,
): void {
  const nowMs = clock.nowMs()
  const { chainPem, key } = pairFrom(authority, { notBeforeMs: nowMs, ...options })
  const content = Buffer.from(chainPem + privateKeyToPem(key))
  const [directory, name] = ['/var/lib/kubelet/pki', `${stem}-${timestamp(nowMs).replaceAll(/[:.]/g, '-')}.pem`]
  const entry = { modifiedMs: nowMs, content, target: '', mode: 0o600 }
  files.entries.set(`${directory}/${name}`, { ...entry, kind: 'file' })
  files.entries.set(`${directory}/${stem}-current.pem`, { ...entry, kind: 'link', target: name })
}
