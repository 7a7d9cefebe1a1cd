/** Long-running child processes that never outlive the tests: a log file each, an early death that explains itself, an orderly end. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'

const running = new Set<ChildProcess>()
const directories = new Set<string>()

// `exit` listeners are synchronous and the last chance of this process.
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

// A test process that is itself killed runs no exit listener; the kernel then ends the children where setpriv can ask for it.
const setpriv = spawnSync('setpriv', ['--help'], { encoding: 'utf8' })
const deathSignal =
  setpriv.error === undefined && setpriv.stdout.includes('--pdeathsig') ? ['setpriv', '--pdeathsig', 'KILL', '--'] : []

/** The directory is removed when this process exits, unless `forgetDirectory` said before that it is gone. */
export function removeDirectoryAtExit(directory: string): void {
  directories.add(directory)
}

export function forgetDirectory(directory: string): void {
  directories.delete(directory)
}

export interface DaemonOptions {
  /** For messages. */
  name: string
  command: string
  args: readonly string[]
  workingDirectory: string
  logPath: string
}

export class Daemon {
  readonly pid: number
  /** Rejects, with the tail of its log, when the process ends without having been asked. */
  readonly died: Promise<never>
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  #stopping = false

  private constructor(child: ChildProcess & { pid: number }, options: DaemonOptions) {
    this.pid = child.pid
    this.#child = child
    running.add(child)
    const { promise, reject } = Promise.withResolvers<never>()
    this.died = promise
    this.died.catch(() => undefined)
    this.#exited = once(child, 'exit').then(([code, signal]) => {
      running.delete(child)
      if (this.#stopping) return
      reject(new Error(`${options.name} ended by itself (${String(signal ?? code)}):\n${logTail(options.logPath)}`))
    })
  }

  static async start(options: DaemonOptions): Promise<Daemon> {
    const log = openSync(options.logPath, 'a')
    try {
      const [command = '', ...args] = [...deathSignal, options.command, ...options.args]
      const child = spawn(command, args, { cwd: options.workingDirectory, stdio: ['ignore', log, log] })
      await once(child, 'spawn')
      return new Daemon(child as ChildProcess & { pid: number }, options)
    } finally {
      closeSync(log)
    }
  }

  /** SIGTERM, and SIGKILL for a process that is still there after `graceMs`. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs)
    await this.#exited
    clearTimeout(timer)
  }

  /** SIGKILL, as a crash: it can finish nothing. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#stopping = true
    this.#child.kill('SIGKILL')
    await this.#exited
  }
}

function logTail(path: string): string {
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-20).join('\n')
}
