/** A directory on a file system that fails with EIO, or keeps no modes, when it is told to: FUSE, by Debian's python3-fusepy. Root only. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { eventually } from '../harness/eventually.ts'
import { DEADLINE_MS } from '../harness/joining-node.ts'

const PROGRAM = join(import.meta.dirname, 'faulty-file-system.py')
/** Debian's own, for which its packages are. */
const PYTHON = '/usr/bin/python3'

/** Why there is no such file system here, or undefined. */
export const fuseProblem: string | undefined =
  spawnSync(PYTHON, ['-c', 'import fusepy; open("/dev/fuse")']).status !== 0
    ? 'no FUSE, or no python3-fusepy'
    : process.getuid?.() === 0
      ? undefined
      : 'only root can mount'

/** `each`: each operation on each file fails the first time that it is tried. `modeless`, `unchanged`: chmod has no effect, or fails. */
export type Mode = 'each' | 'all' | 'none' | 'modeless' | 'unchanged'

export class FaultyFileSystem implements AsyncDisposable {
  /** What has failed so far: operation and path. */
  readonly failures: string[] = []
  readonly #child: ChildProcess
  readonly #path: string
  #mode = ''

  private constructor(path: string, behind: string) {
    this.#path = path
    this.#child = spawn(PYTHON, [PROGRAM, behind, path], { stdio: ['pipe', 'pipe', 'inherit'] })
    if (this.#child.stdout !== null)
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        if (line.startsWith('now ')) this.#mode = line.slice('now '.length)
        else this.failures.push(line)
      })
  }

  /** In place of the directory `path`; what is written there stands in `behind`. Both are made. */
  static async mount(path: string, behind: string): Promise<FaultyFileSystem> {
    for (const directory of [path, behind]) mkdirSync(directory, { recursive: true })
    const fileSystem = new FaultyFileSystem(path, behind)
    await eventually('the mount', { deadlineMs: DEADLINE_MS }, () =>
      Promise.resolve(spawnSync('mountpoint', ['-q', path]).status === 0 ? true : undefined),
    )
    return fileSystem
  }

  /** Resolves when it is so. */
  async fail(mode: Mode): Promise<void> {
    this.#child.stdin?.write(`${mode}\n`)
    await eventually(mode, { deadlineMs: DEADLINE_MS }, () => Promise.resolve(this.#mode === mode || undefined))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    spawnSync('umount', ['--lazy', this.#path])
    this.#child.kill('SIGKILL')
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
  }
}
