/** A file system of its own for one directory of a node, in which exactly so much is left as a test allows. Root only. */
import { statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SmallFileSystem } from '../integration/bad-input/storage.ts'

export { mountProblem } from '../integration/bad-input/storage.ts'

/** Of tmpfs: a file of a byte takes one, a directory and a short link none. */
const PAGE_KIB = 4
/** More than a node ever needs. */
const PLENTY = 64

export type Resource = 'pages' | 'inodes'

export class ScarceDisk implements Disposable {
  readonly #fileSystem: SmallFileSystem
  readonly #path: string

  /** In place of the directory `path`, which is made; there is plenty of everything. */
  constructor(path: string) {
    this.#path = path
    this.#fileSystem = new SmallFileSystem(path, PLENTY * PAGE_KIB)
    // A size of nothing would be one without a limit (tmpfs(5)): there is always something.
    writeFileSync(join(path, 'something'), '.')
  }

  /** From now on only `count` more files can be made there. */
  leave(count: number, resource: Resource): void {
    const { blocks, bfree, files, ffree } = statfsSync(this.#path)
    if (resource === 'pages') this.#fileSystem.remount(`size=${(blocks - bfree + count) * PAGE_KIB}k`)
    else this.#fileSystem.remount(`nr_inodes=${files - ffree + count}`)
  }

  forbidWrites(): void {
    this.#fileSystem.remount('ro')
  }

  /** Plenty of everything again. */
  relieve(): void {
    this.#fileSystem.remount(`rw,size=${PLENTY * PAGE_KIB}k,nr_inodes=${PLENTY * 4}`)
  }

  [Symbol.dispose](): void {
    this.#fileSystem[Symbol.dispose]()
  }
}
