/** Which names, in which directories, decide what a path leads to: the file's, each link's, or the first that is missing. It reads no file. */
import { isAbsolute, join, resolve } from 'node:path'
import type { Files } from './ports.ts'

/** A name in a directory, which is itself named without links. */
export interface NameOnTheWay {
  directory: string
  name: string
}

/** As Linux follows them. */
const MAX_LINKS = 40

/** In the order in which they are come upon. What cannot be looked at counts as missing. */
export async function namesOnTheWay(files: Pick<Files, 'stat' | 'readLink'>, path: string): Promise<NameOnTheWay[]> {
  const found: NameOnTheWay[] = []
  const ahead = componentsOf(resolve(path))
  let directory = '/'
  let links = 0
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    const entry = join(directory, name)
    const kind = (await files.stat(entry).catch(() => undefined))?.kind
    if (kind !== 'directory' || ahead.length === 0) found.push({ directory, name })
    if (kind === 'link' && links < MAX_LINKS) {
      links += 1
      const target = (await files.readLink(entry).catch(() => undefined)) ?? ''
      ahead.unshift(...componentsOf(target))
      if (isAbsolute(target)) directory = '/'
    } else if (kind === 'directory') directory = entry
    else break
  }
  return found
}

const componentsOf = (path: string): string[] => path.split('/').filter((name) => name !== '' && name !== '.')
