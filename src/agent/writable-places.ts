/** Which files and directories let others change what a configuration says, by their modes and owners. It reads no content. */
import { dirname, join, resolve } from 'node:path'
import type { WritablePlace } from '../findings/trade-offs.ts'
import type { FileFacts, Files } from '../lib/ports.ts'
import { namesOnTheWay } from '../lib/way.ts'
import { isPassable, PASS } from './passage.ts'

/** Each place once, with the first of `paths` that it leads to. What cannot be looked at says nothing. */
export async function writablePlaces(
  files: Pick<Files, 'stat' | 'readLink'>,
  paths: readonly string[],
): Promise<WritablePlace[]> {
  const found = new Map<string, WritablePlace>()
  for (const path of paths)
    for (const { directory, name } of await namesOnTheWay(files, path)) {
      const entry = join(directory, name)
      let isThereBelow = true
      for (const place of [entry, ...ancestorsOf(entry)]) {
        const facts = await files.stat(place).catch(() => undefined)
        const writableBy = await writersOf(files, place, facts, isThereBelow).catch(() => undefined)
        isThereBelow = facts !== undefined
        if (facts !== undefined && writableBy !== undefined && !found.has(place))
          found.set(place, { path: place, mode: facts.mode, writableBy, leadsTo: resolve(path) })
      }
    }
  return [...found.values()]
}

function ancestorsOf(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [parent, ...ancestorsOf(parent)]
}

/** Bits of a mode: to write a file; to replace what is in a directory, which takes passing it, too. */
const WRITE = { all: 0o002, group: 0o020 } as const
const REPLACE = { all: 0o003, group: 0o030 } as const
const STICKY = 0o1000

async function writersOf(
  files: Pick<Files, 'stat'>,
  place: string,
  facts: FileFacts | undefined,
  isThereBelow: boolean,
): Promise<WritablePlace['writableBy'] | undefined> {
  if (facts === undefined) return undefined
  const parent = await files.stat(dirname(place))
  const may = { ...writersByMode(facts, isThereBelow), owner: isOwnersToChange(facts, parent) }
  for (const writableBy of ['all', 'owner', 'group'] as const)
    if (may[writableBy] && (await isPassable(files, dirname(place), PASS[writableBy]))) return writableBy
  return undefined
}

function writersByMode({ kind, mode }: FileFacts, isThereBelow: boolean): Record<'all' | 'group', boolean> {
  // A link's own mode means nothing. In a sticky directory others can take no name that is taken.
  if (kind === 'link' || (kind === 'directory' && (mode & STICKY) !== 0 && isThereBelow))
    return { all: false, group: false }
  const bits = kind === 'directory' ? REPLACE : WRITE
  return { all: (mode & bits.all) === bits.all, group: (mode & bits.group) === bits.group }
}

/** A mode holds no owner off. A link cannot be written, but in a sticky directory its owner may put another in its place. */
const isOwnersToChange = ({ kind, isOthers }: FileFacts, parent: FileFacts | undefined): boolean =>
  isOthers && (kind !== 'link' || ((parent?.mode ?? 0) & STICKY) !== 0)
