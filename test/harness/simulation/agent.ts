/** One life of the real agent in this process: the loop on simulated ports, until it is stopped, or dies without a word. */
import { Loop } from '../../../src/agent/loop.ts'
import type { StatusBody } from '../../../src/agent/status.ts'
import { ConfigurationSource } from '../../../src/compose/configuration-source.ts'
import { ApiClient } from '../../../src/kube/api-request.ts'
import type { Clock, Log, LogFields, LogLevel, Processes, Random } from '../../../src/lib/ports.ts'
import type { SimulatedClock } from './clock.ts'
import type { SimulatedDisk } from './disk.ts'
import { Effects, numberedHttp, type OnInstant } from './effects.ts'
import { SimulatedHttp, type SimulatedNetwork } from './http.ts'

export const JOIN_YAML = '/etc/node-bootstrap/join.yaml'

export interface Surroundings {
  clock: SimulatedClock
  disk: SimulatedDisk
  network: SimulatedNetwork
  random: Random
}

const never = (): Promise<never> => new Promise(() => undefined)

export class SimulatedAgent {
  /** What it reported last. */
  status: StatusBody | undefined
  /** Failures that it waits out, so far. */
  failures = 0
  /** When it makes the attempt that it announced last, by the monotonic clock. */
  nextAttemptMs = -Infinity
  readonly lines: string[] = []
  readonly #effects = new Effects()
  readonly #http: SimulatedHttp
  readonly #clock: Clock
  readonly #stop = new AbortController()
  readonly #source: ConfigurationSource
  readonly #loop: Loop
  #reports = 0
  #sleeping = 0
  #isDead = false
  #hasEnded = false
  #defect: unknown

  private constructor(surroundings: Surroundings, source: ConfigurationSource, effects: Effects) {
    const { clock, disk, network, random } = surroundings
    this.#effects = effects
    this.#source = source
    this.#http = new SimulatedHttp(network)
    this.#clock = this.#countedClock(clock)
    const http = numberedHttp(this.#http, effects)
    this.#loop = new Loop(
      {
        network: { ownAddresses: () => Promise.resolve([]) },
        files: disk.mountedBy(effects),
        clock: this.#clock,
        random,
        processes: this.#processes(),
        http,
        client: new ApiClient(http, this.#clock, 'test'),
        log: this.#log(),
        configurationPath: JOIN_YAML,
        credentialsDirectory: undefined,
        certificateFile: undefined,
        report: (status) => {
          this.#reports += 1
          this.status = status
        },
        onQuiet: () => undefined,
      },
      source.configuration,
      undefined,
    )
  }

  /** Starts with what join.yaml on the disk says; throws `config-*`. */
  static async start(surroundings: Surroundings, onInstant?: OnInstant): Promise<SimulatedAgent> {
    const effects = new Effects()
    if (onInstant !== undefined) effects.onInstant = onInstant
    const source = await ConfigurationSource.open(surroundings.disk, JOIN_YAML)
    const agent = new SimulatedAgent(surroundings, source, effects)
    agent.#run()
    return agent
  }

  get isDead(): boolean {
    return this.#isDead
  }

  get effects(): number {
    return this.#effects.count
  }

  /** A valid identity in place, and nothing left to do. */
  get isAtRest(): boolean {
    return this.status?.state === 'healthy' && this.status.step === undefined
  }

  /** Resolves when it does nothing but sleep or watch, or has ended. Throws where it ended by a defect. */
  async settle(): Promise<void> {
    for (let calm = 0; calm < CALM_TURNS && !this.#hasEnded && !this.#isDead;) {
      const before = this.#activity
      await turn()
      const isParked = this.#sleeping + this.#http.waiting > 0 && this.#http.inFlight === 0
      calm = isParked && before === this.#activity ? calm + 1 : 0
    }
    if (this.#defect !== undefined) throw this.#defect as Error
  }

  /** As SIGHUP. */
  async reload(): Promise<void> {
    const news = await this.#source.reload()
    if (news !== undefined) this.#loop.reconfigure(news)
    this.#loop.retryNow()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.settle()
  }

  /** As SIGKILL: whatever it was about to do is not done. */
  kill(): void {
    this.#isDead = true
    this.#effects.onInstant = never
    this.#http.close()
    this.#stop.abort()
  }

  get #activity(): string {
    return [this.#effects.count, this.#reports, this.#sleeping, this.#http.waiting, this.#http.inFlight].join()
  }

  #run(): void {
    this.#loop.run(this.#stop.signal).then(
      () => {
        this.#hasEnded = true
      },
      (thrown: unknown) => {
        this.#hasEnded = true
        this.#defect = thrown
      },
    )
  }

  #countedClock(clock: SimulatedClock): Clock {
    return {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      bootId: () => clock.bootId(),
      sleep: async (ms, signal) => {
        if (this.#isDead) return await never()
        this.#sleeping += 1
        try {
          await clock.sleep(ms, signal)
        } finally {
          this.#sleeping -= 1
        }
      },
    }
  }

  /** Every hook succeeds. */
  #processes(): Processes {
    return {
      run: ({ argv }) =>
        this.#effects.perform(`run ${argv.join(' ')}`, () => Promise.resolve({ kind: 'exited', status: 0 })),
    }
  }

  #log(): Log {
    const at =
      (level: LogLevel) =>
      (message: string, fields: LogFields = {}): void => {
        if (fields['retryInSeconds'] !== undefined) {
          this.failures += 1
          this.nextAttemptMs = this.#clock.monotonicMs() + Number(fields['retryInSeconds']) * 1000
        }
        this.lines.push(JSON.stringify({ level, message, ...fields }))
      }
    return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') }
  }
}

/** Streams hand a piece on in a few turns of the event loop. */
const CALM_TURNS = 5

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
