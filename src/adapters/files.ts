/**
 * The files port over node:fs. It performs single effects and names what went wrong; composing them durably is store's.
 * What only looks is done at once, in this thread: a look at rest is eighty such calls, each of which takes some microseconds
 * here, and many times that by way of libuv's threads, which sleep and are woken for each. What writes and syncs can take
 * long, and goes that way.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  statSync,
  type Stats,
} from 'node:fs'
import { dirname } from 'node:path'
import type { ErrorCode } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import { textAt } from '../lib/json.ts'
import type { FileFacts, Files } from '../lib/ports.ts'
import { mkdir, openFile, rename, rm, symlink, type OpenFile } from './file-changes.ts'

const codes: Readonly<Record<string, ErrorCode>> = {
  EACCES: 'storage-denied',
  EPERM: 'storage-denied',
  EROFS: 'storage-read-only',
  ENOSPC: 'storage-full',
  EDQUOT: 'storage-full',
  // Something of another kind stands in that place.
  EEXIST: 'storage-malformed',
  ENOTDIR: 'storage-malformed',
  EISDIR: 'storage-malformed',
  ERR_FS_EISDIR: 'storage-malformed',
  ENOTEMPTY: 'storage-malformed',
  ELOOP: 'storage-malformed',
  ENXIO: 'storage-malformed',
}

const CHANGES: readonly string[] = ['created', 'written', 'linked', 'replaced', 'removed', 'synced']

/** In no case may it lead to a secret that everybody can read. */
const UNREADABLE_HINT =
  "only the agent's user must be able to read it: a command needs sudo; for the unit, root without capabilities, chown root"

function storageError(thrown: unknown, verb: string, path: string): BootstrapError {
  if (thrown instanceof BootstrapError) return thrown
  const name = textAt(thrown, 'code') ?? 'unknown'
  const code = codes[name] ?? 'storage-failed'
  return new BootstrapError(code, `${path} cannot be ${verb} (${name})`, {
    cause: thrown,
    ...(code === 'storage-denied' && !CHANGES.includes(verb) ? { hint: UNREADABLE_HINT } : {}),
  })
}

const isAbsence = (thrown: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(textAt(thrown, 'code') ?? '')

async function attempt(verb: string, path: string, effect: () => Promise<void>): Promise<void> {
  try {
    await effect()
  } catch (thrown) {
    throw storageError(thrown, verb, path)
  }
}

function orAbsent<Value>(verb: string, path: string, look: () => Value): Promise<Value | undefined> {
  try {
    return Promise.resolve(look())
  } catch (thrown) {
    return isAbsence(thrown) ? Promise.resolve(undefined) : Promise.reject(storageError(thrown, verb, path))
  }
}

function kindOf(stats: Stats): FileFacts['kind'] {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  return stats.isSymbolicLink() ? 'link' : 'other'
}

/** Non-blocking, so that a FIFO in a file's place cannot hang the agent; what is no regular file is refused. */
export function readRegularFile(path: string, maxBytes: number): Uint8Array {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(descriptor)
    if (!stats.isFile()) throw new BootstrapError('storage-malformed', `${path} is no regular file`)
    if (stats.size > maxBytes) throw new BootstrapError('storage-malformed', `${path} is larger than ${maxBytes} bytes`)
    // One byte more than it had, to see whether it has grown since.
    const buffer = Buffer.alloc(stats.size + 1)
    let size = 0
    while (size < buffer.length) {
      const bytesRead = readSync(descriptor, buffer, size, buffer.length - size, null)
      if (bytesRead === 0) return buffer.subarray(0, size)
      size += bytesRead
    }
  } finally {
    closeSync(descriptor)
  }
  throw new BootstrapError('storage-failed', `${path} changed while it was read`, { hint: 'it is read again' })
}

/** EINVAL: what is there is no link (readlink(2)). */
function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch (thrown) {
    if (textAt(thrown, 'code') === 'EINVAL') return undefined
    throw thrown
  }
}

async function syncDirectory(path: string): Promise<void> {
  await using handle = await openFile(path, constants.O_RDONLY | constants.O_DIRECTORY)
  await handle.sync()
}

/** By no link: whoever may write in the parent could put one there by now, to any file. */
async function setMode(directory: string, mode: number): Promise<void> {
  await using handle = await openFile(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  await giveBack(handle, mode)
}

/** What chmod(2) and utimensat(2) say where the file system keeps no such thing (vfat), or leaves it to a server. */
const KEEPS_NONE: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']

async function whereKept(change: Promise<void>): Promise<void> {
  try {
    await change
  } catch (thrown) {
    if (!KEEPS_NONE.includes(textAt(thrown, 'code') ?? '')) throw thrown
  }
}

/**
 * The bits that the umask has taken from what was just made with `mode`. Where that cannot be, there are no more than
 * these; whether others may read there all the same, who looks at the file sees.
 */
const giveBack = (handle: OpenFile, mode: number): Promise<void> => whereKept(handle.chmod(mode))

/** By hand, because Node's recursive mkdir says ENOENT where the file system is read-only, and syncs nothing. */
async function makeDirectories(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode })
    await setMode(path, mode)
    await syncDirectory(dirname(path))
  } catch (thrown) {
    const code = textAt(thrown, 'code')
    if (code === 'EEXIST' && statSync(path).isDirectory()) return
    if (code !== 'ENOENT' || dirname(path) === path) throw thrown
    await makeDirectories(dirname(path), mode)
    await makeDirectories(path, mode)
  }
}

export const nodeFiles: Files = {
  read: (path, maxBytes) => orAbsent('read', path, () => readRegularFile(path, maxBytes)),

  stat: (path) =>
    orAbsent('examined', path, () => {
      // An error would be made with its stack, only to be dropped: most of what a look asks for is not there.
      const stats = lstatSync(path, { throwIfNoEntry: false })
      return (
        stats && {
          kind: kindOf(stats),
          mode: stats.mode & 0o7777,
          isOthers: stats.uid !== 0 && stats.uid !== process.geteuid?.(),
          sizeBytes: stats.size,
          modifiedMs: stats.mtimeMs,
        }
      )
    }),

  readLink: (path) => orAbsent('read', path, () => linkTarget(path)),

  realPath: (path) => orAbsent('examined', path, () => realpathSync.native(path)),

  list: async (directory) => (await orAbsent('listed', directory, () => readdirSync(directory)))?.sort() ?? [],

  makeDirectory: (path, mode) => attempt('created', path, () => makeDirectories(path, mode)),

  createSynced: (path, data, mode, modifiedMs) =>
    attempt('written', path, async () => {
      await using handle = await openFile(
        path,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
        mode,
      )
      await giveBack(handle, mode)
      await handle.write(data)
      if (modifiedMs !== undefined) await whereKept(handle.setModified(modifiedMs))
      await handle.sync()
    }),

  symlink: (target, path) => attempt('linked', path, () => symlink(target, path)),

  rename: (from, to) => attempt('replaced', to, () => rename(from, to)),

  remove: (path) => attempt('removed', path, () => rm(path, { force: true })),

  syncDirectory: (path) => attempt('synced', path, () => syncDirectory(path)),
}
