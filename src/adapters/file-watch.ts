/** Tells when one of some files changes, appears or disappears, also by what happens to the directories and links on the way to it; with chokidar. */
import { basename } from 'node:path'
import type { FSWatcher, watch as watchDirectories } from 'chokidar'
import { textAt } from '../lib/json.ts'
import { namesOnTheWay } from '../lib/way.ts'
import { nodeFiles } from './files.ts'

/** By directory. */
type Names = ReadonlyMap<string, ReadonlySet<string>>

export interface FileWatch {
  close: () => Promise<void>
}

/** An editor's save is several events; this gathers them. */
const SETTLE_MS = 100

/**
 * `onChange` is called after changes have settled, and once when the watch is established, because chokidar may miss a
 * write in that moment. Where a directory is missing, the nearest one that is there is watched until it comes.
 */
export async function watchFiles(paths: readonly string[], onChange: () => void): Promise<FileWatch> {
  const { watch } = await import('chokidar')
  let names = await namesOf(paths)
  /** A directory that is watched is no longer where it was. */
  let isStale = false
  let isClosed = false
  let timer: NodeJS.Timeout | undefined
  let turn = Promise.resolve()

  const look = async (): Promise<void> => {
    const now = await namesOf(paths)
    if (isClosed) return
    if (!isStale && areSame(names, now)) {
      onChange()
      return
    }
    await watcher.close()
    isStale = false
    names = now
    watcher = watchNames(watch, names, settle)
  }
  // Not begun again by each event: in a busy directory that would put the call off for ever.
  const settle = (isMoved: boolean): void => {
    isStale ||= isMoved
    timer ??= setTimeout(() => {
      timer = undefined
      turn = turn.then(look)
    }, SETTLE_MS)
  }
  let watcher = watchNames(watch, names, settle)
  return {
    close: async () => {
      isClosed = true
      clearTimeout(timer)
      await turn
      await watcher.close()
    },
  }
}

async function namesOf(paths: readonly string[]): Promise<Names> {
  const names = new Map<string, Set<string>>()
  for (const path of paths)
    for (const { directory, name } of await namesOnTheWay(nodeFiles, path))
      names.set(directory, (names.get(directory) ?? new Set()).add(name))
  return names
}

/** `onEvent` hears of each event of one of `names`, once of the beginning, and whether a directory itself has moved. */
function watchNames(watch: typeof watchDirectories, names: Names, onEvent: (isMoved: boolean) => void): FSWatcher {
  const watcher = watch([...names.keys()], { depth: 0, ignoreInitial: true, ignored: (path) => !names.has(path) })
  // chokidar's own events compare two listings: a directory or a link that was replaced is there in both.
  watcher.on('raw', (_event, name: string | null, details) => {
    const directory = textAt(details, 'watchedPath') ?? ''
    // Of a directory itself inotify tells by its own name.
    const isMoved = name === basename(directory)
    if (isMoved || name === null || names.get(directory)?.has(name) === true) onEvent(isMoved)
  })
  // A watch that cannot be had (no inotify instances left) leaves SIGHUP as the way to reload.
  watcher.on('error', () => undefined)
  watcher.once('ready', () => {
    onEvent(false)
  })
  return watcher
}

function areSame(one: Names, other: Names): boolean {
  const text = (names: Names): string => JSON.stringify([...names].map(([directory, each]) => [directory, ...each]))
  return text(one) === text(other)
}
