/** join.yaml over the life of the process: the configuration in force, and whether what it is made of has changed. */
import { createHash } from 'node:crypto'
import type { JoinConfiguration } from '../config/index.ts'
import type { Files } from '../lib/ports.ts'
import { readConfiguration, watchedPaths } from './configuration-file.ts'

const MAX_BYTES = 1024 * 1024

export class ConfigurationSource {
  readonly #files: Files
  readonly #path: string
  /** What the process was started with. */
  readonly initial: JoinConfiguration
  configuration: JoinConfiguration
  #fingerprint = ''

  private constructor(files: Files, path: string, configuration: JoinConfiguration) {
    this.#files = files
    this.#path = path
    this.initial = configuration
    this.configuration = configuration
  }

  /** Throws `config-unreadable` or `config-invalid`. */
  static async open(files: Files, path: string): Promise<ConfigurationSource> {
    const source = new ConfigurationSource(files, path, await readConfiguration(files, path))
    source.#fingerprint = await source.#look()
    return source
  }

  get watchedPaths(): string[] {
    return watchedPaths(this.#path, this.configuration)
  }

  /** The configuration where it, or a file that it names, is another than at the last look; throws as `open`. */
  async reload(): Promise<JoinConfiguration | undefined> {
    const configuration = await readConfiguration(this.#files, this.#path)
    this.configuration = configuration
    const fingerprint = await this.#look()
    if (fingerprint === this.#fingerprint) return undefined
    this.#fingerprint = fingerprint
    return configuration
  }

  async #look(): Promise<string> {
    const digest = createHash('sha256')
    for (const path of this.watchedPaths) {
      const content = await this.#files.read(path, MAX_BYTES).catch(() => undefined)
      digest.update(
        `${path}\0${content === undefined ? 'absent' : createHash('sha256').update(content).digest('hex')}\0`,
      )
    }
    return digest.digest('hex')
  }
}
