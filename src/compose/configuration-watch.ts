/** Watches the files that the configuration is made of, also where a new configuration names other files. */
import { watchFiles, type FileWatch } from '../adapters/file-watch.ts'

export class ConfigurationWatch {
  readonly #onChange: () => void
  #paths: readonly string[] = []
  #watch: Promise<FileWatch> | undefined

  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** Watches exactly `paths` from now on. */
  async follow(paths: readonly string[]): Promise<void> {
    if (paths.join('\0') === this.#paths.join('\0')) return
    await this.close()
    this.#paths = paths
    this.#watch = watchFiles(paths, this.#onChange)
    await this.#watch
  }

  async close(): Promise<void> {
    await (await this.#watch)?.close()
    this.#watch = undefined
    this.#paths = []
  }
}
