/**
 * Publishes where the node stands, to status.json, to systemd and as metrics, without holding the loop up: the latest word
 * wins. systemd is told only what stands for a while.
 */
import { metricsText } from '../agent/metrics.ts'
import type { Status, StatusBody } from '../agent/status.ts'
import type { Attempts } from '../agent/tally.ts'
import { asBootstrapError } from '../lib/errors.ts'
import type { Clock, Files, Log, Notify } from '../lib/ports.ts'
import { timestamp } from '../lib/timestamp.ts'
import { replaceFile } from '../store/durable-file.ts'
import { markJoined, writeStatusFile } from '../store/status-file.ts'

/**
 * Nobody reads a sentence that is replaced sooner, and each is a process, systemd-notify: told at once, those of the steps
 * between approval and join took more of the processors than the steps.
 */
const SENTENCE_STANDS_MS = 1000

export interface StatusReporterPorts {
  files: Files
  clock: Clock
  log: Log
  notify: Notify
}

export class StatusReporter {
  readonly #ports: StatusReporterPorts
  readonly #runtimeDirectory: string
  readonly #program: Status['program']
  #configurationProblem: string | undefined
  #body: StatusBody | undefined
  #since = ''
  #written = ''
  #attempts: readonly Attempts[] = []
  readonly #startedAtMs: number
  #textfile: string | undefined
  #metricsWritten = ''
  /** What the mark says; undefined while that is not known. */
  #marked: boolean | undefined
  #writing: Promise<void> | undefined
  /** What systemd is to be told once it has stood long enough; the next one aborts that. */
  #untold: string | undefined
  #told: string | undefined
  #standing = new AbortController()

  constructor(ports: StatusReporterPorts, runtimeDirectory: string, program: Status['program']) {
    this.#ports = ports
    this.#runtimeDirectory = runtimeDirectory
    this.#program = program
    this.#startedAtMs = ports.clock.nowMs()
  }

  /** A configuration that cannot be used is part of the truth, while the last good one goes on. */
  setConfigurationProblem(problem: string | undefined): void {
    this.#configurationProblem = problem
    this.#write()
  }

  /** From now on the metrics are there, or nowhere. What was written elsewhere would go on telling what is no longer so. */
  async followTextfile(path: string | undefined): Promise<void> {
    const before = this.#textfile
    if (before === path) return
    this.#textfile = path
    this.#metricsWritten = ''
    // Without news of the node there is news of where it is told.
    this.#written = ''
    await this.flush()
    if (before !== undefined) await this.#ports.files.remove(before).catch(() => undefined)
    this.#write()
  }

  report(body: StatusBody, attempts: readonly Attempts[] = []): void {
    this.#attempts = attempts
    if (this.#body?.state !== body.state || this.#body.summary !== body.summary) {
      this.#since = timestamp(this.#ports.clock.nowMs())
      void this.#tellLater(body.summary)
    }
    this.#body = body
    this.#write()
  }

  /** Resolves when what was reported last is written and told. */
  async flush(): Promise<void> {
    this.#standing.abort()
    await this.#tell()
    while (this.#writing !== undefined) await this.#writing
  }

  async #tellLater(sentence: string): Promise<void> {
    this.#untold = sentence
    this.#standing.abort()
    const { signal } = (this.#standing = new AbortController())
    await this.#ports.clock.sleep(SENTENCE_STANDS_MS, signal)
    if (!signal.aborted) await this.#tell()
  }

  async #tell(): Promise<void> {
    const sentence = this.#untold
    this.#untold = undefined
    if (sentence === undefined || sentence === this.#told) return
    this.#told = sentence
    await this.#ports.notify.status(sentence)
  }

  #write(): void {
    this.#writing ??= this.#writeLatest().finally(() => {
      this.#writing = undefined
    })
  }

  async #writeLatest(): Promise<void> {
    for (let next = this.#render(); next !== undefined; next = this.#render()) {
      this.#written = JSON.stringify(next)
      try {
        await writeStatusFile(this.#ports.files, this.#runtimeDirectory, next)
        await this.#markJoined(next)
        await this.#writeMetrics(next)
      } catch (thrown) {
        const { code, message, hint } = asBootstrapError(thrown)
        this.#ports.log.warn(`the status cannot be written: ${message}`, { code, hint })
        // The next report tries again, whether there is news or not.
        this.#written = ''
        return
      }
    }
  }

  async #writeMetrics(status: Status): Promise<void> {
    if (this.#textfile === undefined) return
    const text = metricsText(status, this.#attempts, this.#startedAtMs)
    if (text === this.#metricsWritten) return
    await replaceFile(this.#ports.files, this.#textfile, text, 0o644)
    this.#metricsWritten = text
  }

  async #markJoined({ state, step, certificate }: Status): Promise<void> {
    // It is in place, and the API server is being asked whether it accepts it: that changes nothing yet.
    if (state === 'waiting' && step === undefined && certificate !== undefined) return
    const hasJoined = state === 'healthy' || state === 'degraded'
    if (this.#marked === hasJoined) return
    await markJoined(this.#ports.files, this.#runtimeDirectory, hasJoined)
    this.#marked = hasJoined
  }

  /** Undefined where there is nothing that was not written yet. */
  #render(): Status | undefined {
    if (this.#body === undefined) return undefined
    const status: Status = {
      version: 1,
      program: this.#program,
      ...this.#body,
      since: this.#since,
      ...(this.#configurationProblem === undefined ? {} : { configurationProblem: this.#configurationProblem }),
    }
    return JSON.stringify(status) === this.#written ? undefined : status
  }
}
