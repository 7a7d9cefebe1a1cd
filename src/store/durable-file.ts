/** Replaces files so that a crash or a power cut at any instant leaves the old content or the new, and nothing else. */
import { dirname, join } from 'node:path'
import type { Files } from '../lib/ports.ts'

/** One name for each directory, so that what a crash left over is replaced by the next attempt: one agent writes at a time. */
export const temporaryPath = (path: string): string => join(dirname(path), '.node-bootstrap-new')

async function swapIn(files: Files, path: string, create: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryPath(path)
  await files.remove(temporary)
  await create(temporary)
  await files.rename(temporary, path)
  await files.syncDirectory(dirname(path))
}

/** Creates or replaces `path` with exactly this content and mode, durably. The directory is made where it is missing. */
export async function replaceFile(
  files: Files,
  path: string,
  content: string | Uint8Array,
  mode: number,
  directoryMode = 0o755,
): Promise<void> {
  await files.makeDirectory(dirname(path), directoryMode)
  await swapIn(files, path, (temporary) => files.createSynced(temporary, Buffer.from(content), mode))
}

/**
 * Writes a file again as it is, with this mode: another file in its place, so that whoever owns the one before, or has it open
 * for writing, has no hand in this one. It is no younger than it was, for what counts from when it was written.
 */
export async function rewriteFile(files: Files, path: string, content: Uint8Array, mode: number): Promise<void> {
  const modifiedMs = (await files.stat(path))?.modifiedMs
  await swapIn(files, path, (temporary) => files.createSynced(temporary, content, mode, modifiedMs))
}

/** Points the link `path` to `target`, durably; whatever stood there is replaced in one step. */
export async function replaceLink(files: Files, path: string, target: string): Promise<void> {
  await swapIn(files, path, (temporary) => files.symlink(target, temporary))
}

export async function removeDurably(files: Files, path: string): Promise<void> {
  if ((await files.stat(path)) === undefined) return
  await files.remove(path)
  await files.syncDirectory(dirname(path))
}
