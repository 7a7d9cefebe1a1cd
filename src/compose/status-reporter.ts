/**
 * Publishes where the node stands, to status.json, to systemd and as metrics, without holding the loop up: the latest word
 * wins, and what is no longer so is left standing nowhere.
 */
import { metricsText } from '../agent/metrics.ts'
import type { Status, StatusBody } from '../agent/status.ts'
import type { Attempts } from '../agent/tally.ts'
import { asBootstrapError, BootstrapError } from '../lib/errors.ts'
import type { Clock, Files, Log, Notify } from '../lib/ports.ts'
import { timestamp } from '../lib/timestamp.ts'
import { replaceFile } from '../store/durable-file.ts'
import { markJoined, STATUS_STAMPED_EVERY_MS, statusPath, writeStatusFile } from '../store/status-file.ts'
import { StandingSentence } from './standing-sentence.ts'

/** How soon a disk that has room again holds what is so, also where nothing new is reported: the pause doubles up to a minute. */
const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000

/** Why it was not written, and that what is no longer so stands there as yet. */
const standing = ({ code, message, hint }: BootstrapError, cause: BootstrapError): BootstrapError =>
  new BootstrapError(code, `${message}, and what stands there is no longer so: ${cause.message}`, { hint, cause })

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
  /** The status that was taken up last, and the one that stands in status.json, as JSON. */
  #taken = ''
  #statusWritten = ''
  #isToBeStamped = false
  #attempts: readonly Attempts[] = []
  readonly #startedAtMs: number
  #textfile: string | undefined
  #metricsWritten = ''
  #writing: Promise<void> | undefined
  /** Of the last writing. */
  #failure: BootstrapError | undefined
  #isRetrying = false
  #retryMs = FIRST_RETRY_MS
  readonly #ended = new AbortController()
  readonly #sentence: StandingSentence

  constructor(ports: StatusReporterPorts, runtimeDirectory: string, program: Status['program']) {
    this.#ports = ports
    this.#runtimeDirectory = runtimeDirectory
    this.#program = program
    this.#startedAtMs = ports.clock.nowMs()
    this.#sentence = new StandingSentence(ports.clock, ports.notify)
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
    this.#taken = ''
    await this.flush()
    if (before !== undefined) await this.#ports.files.remove(before).catch(() => undefined)
    this.#write()
  }

  report(body: StatusBody, attempts: readonly Attempts[] = []): void {
    this.#attempts = attempts
    if (this.#body === undefined) void this.#stampRegularly()
    if (this.#body?.state !== body.state || this.#body.summary !== body.summary) {
      this.#since = timestamp(this.#ports.clock.nowMs())
      this.#tellManager(body)
    }
    this.#body = body
    this.#write()
  }

  /** Resolves when what was reported last is written, or cannot be, and is told. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
    await this.#sentence.flush()
  }

  /** Nobody keeps anything true from now on: the last status stays, for it names its process, and the metrics go. */
  async end(): Promise<void> {
    this.#ended.abort()
    await this.flush()
    await this.followTextfile(undefined)
    await this.flush()
  }

  /** systemd hears by a socket, also where no file can be written. */
  #tellManager({ summary }: Pick<StatusBody, 'summary'>): void {
    const failure = this.#failure === undefined ? '' : `; the status cannot be written: ${this.#failure.message}`
    void this.#sentence.tellLater(summary + failure)
  }

  #write(): void {
    this.#writing ??= this.#writeLatest().finally(() => {
      this.#writing = undefined
    })
  }

  async #writeLatest(): Promise<void> {
    for (let next = this.#render(); next !== undefined; next = this.#render()) {
      this.#taken = JSON.stringify(next)
      this.#tellFailure(await this.#publish(next), next)
    }
    if (this.#failure === undefined) {
      this.#retryMs = FIRST_RETRY_MS
      return
    }
    this.#taken = ''
    void this.#retryLater()
  }

  /** Each by itself: what cannot be told in one place is told in the others. The first failure. */
  async #publish(status: Status): Promise<BootstrapError | undefined> {
    let first: BootstrapError | undefined
    const keep = (thrown: unknown): void => {
      first ??= asBootstrapError(thrown)
    }
    await this.#writeStatus(status).catch(keep)
    await this.#markJoined(status).catch(keep)
    await this.#writeMetrics(status).catch(keep)
    return first
  }

  async #writeStatus(status: Status): Promise<void> {
    const text = JSON.stringify(status)
    const directory = this.#runtimeDirectory
    const write = (): Promise<void> => writeStatusFile(this.#ports.files, directory, status)
    if (text === this.#statusWritten) {
      if (!this.#isToBeStamped) return
      await write()
    } else {
      this.#statusWritten = ''
      await this.#replaceOrRemove(statusPath(directory), write)
      this.#statusWritten = text
    }
    this.#isToBeStamped = false
  }

  /** Also without news, so that its time stamp says that it is kept: a reader cannot know otherwise. */
  async #stampRegularly(): Promise<void> {
    const { signal } = this.#ended
    for (;;) {
      await this.#ports.clock.sleep(STATUS_STAMPED_EVERY_MS, signal)
      if (signal.aborted) return
      this.#isToBeStamped = true
      this.#taken = ''
      this.#write()
    }
  }

  /** What stood there is no longer so: where it cannot be replaced it goes, and in its room the new one may well fit. */
  async #replaceOrRemove(path: string, write: () => Promise<void>): Promise<void> {
    try {
      await write()
    } catch (thrown) {
      await this.#ports.files.remove(path).catch((cause: unknown) => {
        throw standing(asBootstrapError(thrown), asBootstrapError(cause))
      })
      await write()
    }
  }

  #tellFailure(failure: BootstrapError | undefined, status: Status): void {
    const before = this.#failure
    if (before?.message === failure?.message) return
    this.#failure = failure
    this.#tellManager(status)
    if (failure === undefined) this.#ports.log.info('the status is written again')
    else {
      const { code, message, hint } = failure
      this.#ports.log.warn(`the status cannot be written: ${message}`, { code, hint })
    }
  }

  async #retryLater(): Promise<void> {
    if (this.#isRetrying) return
    this.#isRetrying = true
    const pauseMs = this.#retryMs
    this.#retryMs = Math.min(2 * pauseMs, LONGEST_RETRY_MS)
    await this.#ports.clock.sleep(pauseMs, this.#ended.signal)
    this.#isRetrying = false
    if (!this.#ended.signal.aborted) this.#write()
  }

  async #writeMetrics(status: Status): Promise<void> {
    const textfile = this.#textfile
    if (textfile === undefined) return
    const text = metricsText(status, this.#attempts, this.#startedAtMs)
    // It may have been removed: a directory of textfiles is not the agent's.
    if (text === this.#metricsWritten && (await this.#ports.files.stat(textfile))?.kind === 'file') return
    this.#metricsWritten = ''
    await this.#replaceOrRemove(textfile, () => replaceFile(this.#ports.files, textfile, text, 0o644))
    this.#metricsWritten = text
  }

  async #markJoined({ joined }: Status): Promise<void> {
    // What an agent before this one knew stands, until there is something to put in its place.
    if (joined !== undefined) await markJoined(this.#ports.files, this.#runtimeDirectory, joined)
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
    return JSON.stringify(status) === this.#taken ? undefined : status
  }
}
