/** Which names, in which directories, decide what a path leads to: the file's, each link's, or the first that is missing. It reads no file. */
import { lstatSync, readlinkSync, type Stats } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'

/** By directory, which is named without links. */
export type Names = ReadonlyMap<string, ReadonlySet<string>>

/** As Linux follows them. */
const MAX_LINKS = 40

export function namesOnTheWay(paths: readonly string[]): Names {
  const names = new Map<string, Set<string>>()
  const add = (directory: string, name: string): void => {
    names.set(directory, (names.get(directory) ?? new Set()).add(name))
  }
  for (const path of paths) follow(resolve(path), add)
  return names
}

function follow(path: string, add: (directory: string, name: string) => void): void {
  const ahead = componentsOf(path)
  let directory = '/'
  let links = 0
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    const entry = join(directory, name)
    const facts = factsOf(entry)
    const isLink = facts?.isSymbolicLink() === true
    if (isLink || facts?.isDirectory() !== true || ahead.length === 0) add(directory, name)
    if (isLink && links < MAX_LINKS) {
      links += 1
      const target = targetOf(entry)
      ahead.unshift(...componentsOf(target))
      if (isAbsolute(target)) directory = '/'
    } else if (facts?.isDirectory() === true) directory = entry
    else return
  }
}

function factsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch {
    return undefined
  }
}

/** Empty where it is no link any more. */
function targetOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

const componentsOf = (path: string): string[] => path.split('/').filter((name) => name !== '' && name !== '.')
