/** Tells when one of some files changes, appears or disappears, by watching their directories with chokidar. */
import { basename, dirname } from 'node:path'
import type { FSWatcher } from 'chokidar'

export interface FileWatch {
  close: () => Promise<void>
}

/** An editor's save is several events; this gathers them. */
const SETTLE_MS = 100

/**
 * `onChange` is called after changes have settled, and once when the watch is established, because chokidar may miss a
 * write in that moment. Directories that do not exist are not watched.
 */
export async function watchFiles(paths: readonly string[], onChange: () => void): Promise<FileWatch> {
  const { watch } = await import('chokidar')
  const wanted = new Set(paths)
  let timer: NodeJS.Timeout | undefined
  // Not begun again by each event: in a busy directory that would put the call off for ever.
  const settle = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      onChange()
    }, SETTLE_MS)
  }
  const watcher: FSWatcher = watch([...new Set(paths.map(dirname))], { depth: 0, ignoreInitial: true })
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
