/** Watches the files that the configuration is made of, also where a new configuration names other files. */
import { watchFiles, type FileWatch } from '../adapters/file-watch.ts'

export class ConfigurationWatch {
  readonly #onChange: () => void
  #paths: readonly string[] = []
  #watch: Promise<FileWatch> | undefined
  #turn: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** Watches exactly `paths` from now on; nothing after `close`. One call at a time. */
  follow(paths: readonly string[]): Promise<void> {
    this.#turn = this.#turn.then(() => (this.#isClosed ? undefined : this.#followNow(paths)))
    return this.#turn
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#turn
    await this.#stop()
  }

  async #followNow(paths: readonly string[]): Promise<void> {
    if (paths.join('\0') === this.#paths.join('\0')) return
    await this.#stop()
    this.#paths = paths
    this.#watch = watchFiles(paths, this.#onChange)
    await this.#watch
  }

  async #stop(): Promise<void> {
    await (await this.#watch)?.close()
    this.#watch = undefined
    this.#paths = []
  }
}
