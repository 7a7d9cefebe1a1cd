/** Publishes where the node stands, to status.json and to systemd, without holding the loop up: the latest word wins. */
import type { Status, StatusBody } from '../agent/status.ts'
import { asBootstrapError } from '../lib/errors.ts'
import type { Clock, Files, Log, Notify } from '../lib/ports.ts'
import { markJoined, writeStatusFile } from '../store/status-file.ts'

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
  /** What the mark says; undefined while that is not known. */
  #marked: boolean | undefined
  #writing: Promise<void> | undefined

  constructor(ports: StatusReporterPorts, runtimeDirectory: string, program: Status['program']) {
    this.#ports = ports
    this.#runtimeDirectory = runtimeDirectory
    this.#program = program
  }

  /** A configuration that cannot be used is part of the truth, while the last good one goes on. */
  setConfigurationProblem(problem: string | undefined): void {
    this.#configurationProblem = problem
    this.#write()
  }

  report(body: StatusBody): void {
    if (this.#body?.state !== body.state || this.#body.summary !== body.summary) {
      this.#since = new Date(this.#ports.clock.nowMs()).toISOString()
      void this.#ports.notify.status(body.summary)
    }
    this.#body = body
    this.#write()
  }

  /** Resolves when what was reported last is written. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
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
      } catch (thrown) {
        const { code, message, hint } = asBootstrapError(thrown)
        this.#ports.log.warn(`the status cannot be written: ${message}`, { code, hint })
        // The next report tries again, whether there is news or not.
        this.#written = ''
        return
      }
    }
  }

  async #markJoined({ state }: Status): Promise<void> {
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
