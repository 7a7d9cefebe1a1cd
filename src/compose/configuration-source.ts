/** join.yaml over the life of the process: the configuration in force, and whether what it is made of has changed. */
import { createHash } from 'node:crypto'
import { configurationFiles } from '../agent/configuration-files.ts'
import { localKubeconfig } from '../agent/local-kubeconfig.ts'
import type { JoinConfiguration } from '../config/index.ts'
import type { Files } from '../lib/ports.ts'
import { MAX_FILE_BYTES } from '../lib/text-file.ts'
import { parseConfigurationBytes, readConfigurationBytes } from './configuration-file.ts'

interface Reading {
  configuration: JoinConfiguration
  /** Of the very bytes that were parsed, and of the files that they name. */
  fingerprint: string
  watchedPaths: readonly string[]
}

export class ConfigurationSource {
  readonly #files: Files
  readonly #path: string
  /** What the process was started with. */
  readonly initial: JoinConfiguration
  #reading: Reading
  #reload: Promise<unknown> = Promise.resolve()

  private constructor(files: Files, path: string, reading: Reading) {
    this.#files = files
    this.#path = path
    this.initial = reading.configuration
    this.#reading = reading
  }

  /** Throws `config-unreadable` or `config-invalid`. */
  static async open(files: Files, path: string): Promise<ConfigurationSource> {
    return new ConfigurationSource(files, path, await read(files, path))
  }

  get configuration(): JoinConfiguration {
    return this.#reading.configuration
  }

  get watchedPaths(): readonly string[] {
    return this.#reading.watchedPaths
  }

  /** The configuration where it, or a file that it names, is another than before; throws as `open`. One at a time. */
  async reload(): Promise<JoinConfiguration | undefined> {
    const turn = this.#reload.catch(() => undefined).then(() => this.#reloadNow())
    this.#reload = turn
    return await turn
  }

  async #reloadNow(): Promise<JoinConfiguration | undefined> {
    const reading = await read(this.#files, this.#path)
    const isChanged = reading.fingerprint !== this.#reading.fingerprint
    this.#reading = reading
    return isChanged ? reading.configuration : undefined
  }
}

async function read(files: Files, path: string): Promise<Reading> {
  const bytes = await readConfigurationBytes(files, path)
  const configuration = parseConfigurationBytes(bytes, path)
  const digest = createHash('sha256').update(createHash('sha256').update(bytes).digest())
  const paths = configurationFiles(path, configuration, await localKubeconfig(files, configuration))
  for (const named of paths.slice(1)) {
    const content = await files.read(named, MAX_FILE_BYTES).catch(() => undefined)
    digest.update(
      `${named}\0${content === undefined ? 'absent' : createHash('sha256').update(content).digest('hex')}\0`,
    )
  }
  return { configuration, fingerprint: digest.digest('hex'), watchedPaths: paths }
}
