/** Which names, in which directories, decide what a path leads to: the file's, each link's, or the first that is missing. It reads no file. */
import { lstat, readlink } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'

/** By directory, which is named without links. */
export type Names = ReadonlyMap<string, ReadonlySet<string>>

/** As Linux follows them. */
const MAX_LINKS = 40

export async function namesOnTheWay(paths: readonly string[]): Promise<Names> {
  const names = new Map<string, Set<string>>()
  const add = (directory: string, name: string): void => {
    names.set(directory, (names.get(directory) ?? new Set()).add(name))
  }
  for (const path of paths) await follow(resolve(path), add)
  return names
}

async function follow(path: string, add: (directory: string, name: string) => void): Promise<void> {
  const ahead = componentsOf(path)
  let directory = '/'
  let links = 0
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    const entry = join(directory, name)
    const facts = await lstat(entry).catch(() => undefined)
    const isLink = facts?.isSymbolicLink() === true
    if (isLink || facts?.isDirectory() !== true || ahead.length === 0) add(directory, name)
    if (isLink && links < MAX_LINKS) {
      links += 1
      const target = await readlink(entry).catch(() => '')
      ahead.unshift(...componentsOf(target))
      if (isAbsolute(target)) directory = '/'
    } else if (facts?.isDirectory() === true) directory = entry
    else return
  }
}

const componentsOf = (path: string): string[] => path.split('/').filter((name) => name !== '' && name !== '.')
