/** Tells when one of some files changes, appears or disappears, by watching their directories with chokidar. */
import { realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { FSWatcher } from 'chokidar'

export interface FileWatch {
  close: () => Promise<void>
}

/** An editor's save is several events; this gathers them. */
const SETTLE_MS = 100

/** Without links in its directory, and, where it is a link itself, also what it points to now. */
async function placesOf(path: string): Promise<string[]> {
  const directory = await realpath(dirname(path)).catch(() => dirname(path))
  const place = join(directory, basename(path))
  return [place, await realpath(place).catch(() => place)]
}

/**
 * `onChange` is called after changes have settled, and once when the watch is established, because chokidar may miss a
 * write in that moment. Directories that do not exist are not watched.
 */
export async function watchFiles(paths: readonly string[], onChange: () => void): Promise<FileWatch> {
  const { watch } = await import('chokidar')
  const wanted = new Set((await Promise.all(paths.map(placesOf))).flat())
  let timer: NodeJS.Timeout | undefined
  // Not begun again by each event: in a busy directory that would put the call off for ever.
  const settle = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      onChange()
    }, SETTLE_MS)
  }
  const directories = [...new Set([...wanted].map((path) => dirname(path)))]
  // Followed, a link that is replaced would be no event.
  const watcher: FSWatcher = watch(directories, { depth: 0, ignoreInitial: true, followSymlinks: false })
  watcher.on('all', (_event, path) => {
    // Kubernetes-style mounts change a file by replacing the link `..data` beside it.
    if (wanted.has(path) || basename(path).startsWith('..')) settle()
  })
  // A watch that cannot be had (no inotify instances left) leaves SIGHUP as the way to reload.
  watcher.on('error', () => undefined)
  watcher.once('ready', settle)
  return {
    close: async () => {
      clearTimeout(timer)
      await watcher.close()
    },
  }
}
