/** Ways to take the disk away from an agent that may run as root, whom permission bits alone do not stop. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RunOptions } from './scene.ts'

const isRoot = process.getuid?.() === 0
const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))
const drop = ['setpriv', '--bounding-set=-dac_override,-dac_read_search,-linux_immutable'] as const

/** The agent such that permission bits count, for root too. */
export function withoutOverride(): Pick<RunOptions, 'entry'> {
  return isRoot ? { entry: [...drop, process.execPath, main] } : {}
}

/** Why permission bits cannot be made to count here, or undefined. */
export const overrideProblem: string | undefined =
  !isRoot || spawnSync(drop[0], [...drop.slice(1), 'true']).status === 0
    ? undefined
    : 'setpriv cannot drop capabilities'

const mount = (...args: string[]): string | undefined => {
  const { status, stderr, error } = spawnSync('mount', args, { encoding: 'utf8' })
  return status === 0 ? undefined : (error?.message ?? stderr.trim())
}

/** A small file system of its own at `path`, which is made. Unmount it before the directory is removed. */
export class SmallFileSystem implements Disposable {
  readonly #path: string

  constructor(path: string, sizeKib: number) {
    this.#path = path
    mkdirSync(path, { recursive: true })
    const problem = mount('-t', 'tmpfs', '-o', `size=${sizeKib}k`, 'node-bootstrap-test', path)
    if (problem !== undefined) throw new Error(problem)
  }

  remount(options: string): void {
    const problem = mount('-o', `remount,${options}`, this.#path)
    if (problem !== undefined) throw new Error(problem)
  }

  [Symbol.dispose](): void {
    spawnSync('umount', ['--lazy', this.#path])
  }
}

/** Why nothing can be mounted here, or undefined. */
export const mountProblem: string | undefined = (() => {
  const path = mkdtempSync(join(tmpdir(), 'node-bootstrap-mount-'))
  try {
    using fileSystem = new SmallFileSystem(path, 16)
    fileSystem.remount('ro')
    return undefined
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : 'mount failed'
  } finally {
    rmdirSync(path)
  }
})()
