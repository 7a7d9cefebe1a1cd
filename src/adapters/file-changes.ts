/**
 * The calls of node:fs that change files, as promises: done by libuv's threads, for they can take long. They are not taken
 * from node:fs/promises, which loads web streams, readline and the messages between workers, and keeps them: docs/adr/0006.
 */
import fs from 'node:fs'
import { promisify } from 'node:util'

export const link = promisify(fs.link)
export const mkdir = promisify(fs.mkdir)
export const rename = promisify(fs.rename)
export const rm = promisify(fs.rm)
export const symlink = promisify(fs.symlink)
export const writeFile = promisify(fs.writeFile)

/** A file or directory that is open until it is disposed of. */
export interface OpenFile extends AsyncDisposable {
  chmod: (mode: number) => Promise<void>
  /** From where the file stands, all of it. */
  write: (data: Uint8Array) => Promise<void>
  setModified: (ms: number) => Promise<void>
  sync: () => Promise<void>
}

/** `flags` as open(2) has them. Rejects with Node's error. */
export async function openFile(path: string, flags: number, mode?: number): Promise<OpenFile> {
  const descriptor = await promisify(fs.open)(path, flags, mode)
  return {
    chmod: (bits) => promisify(fs.fchmod)(descriptor, bits),
    write: (data) => writeFile(descriptor, data),
    setModified: (ms) => promisify(fs.futimes)(descriptor, ms / 1000, ms / 1000),
    sync: () => promisify(fs.fsync)(descriptor),
    [Symbol.asyncDispose]: () => promisify(fs.close)(descriptor),
  }
}
