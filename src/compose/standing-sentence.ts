/** Tells systemd the sentence that `systemctl status` shows, once it has stood for a while; those that pass are not told. */
import type { Clock, Notify } from '../lib/ports.ts'

/**
 * Nobody reads a sentence that is replaced sooner, and each is a process, systemd-notify: told at once, those of the steps
 * between approval and join took more of the processors than the steps.
 */
const STANDS_MS = 1000

export class StandingSentence {
  readonly #clock: Clock
  readonly #notify: Notify
  /** What is to be told once it has stood long enough; the next one aborts that. */
  #untold: string | undefined
  #told: string | undefined
  #standing = new AbortController()

  constructor(clock: Clock, notify: Notify) {
    this.#clock = clock
    this.#notify = notify
  }

  async tellLater(sentence: string): Promise<void> {
    this.#untold = sentence
    this.#standing.abort()
    const { signal } = (this.#standing = new AbortController())
    await this.#clock.sleep(STANDS_MS, signal)
    if (!signal.aborted) await this.#tell()
  }

  /** Resolves when the latest is told. */
  async flush(): Promise<void> {
    this.#standing.abort()
    await this.#tell()
  }

  async #tell(): Promise<void> {
    const sentence = this.#untold
    this.#untold = undefined
    if (sentence === undefined || sentence === this.#told) return
    this.#told = sentence
    await this.#notify.status(sentence)
  }
}
