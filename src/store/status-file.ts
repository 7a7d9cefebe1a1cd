/** status.json in the runtime directory: written by the agent, read by anyone. What is in it is the agent's to say. */
import { join } from 'node:path'
import { parseJson } from '../lib/json.ts'
import type { Files } from '../lib/ports.ts'
import { MAX_FILE_BYTES } from '../lib/text-file.ts'
import { replaceFile } from './durable-file.ts'

export const statusPath = (runtimeDirectory: string): string => join(runtimeDirectory, 'status.json')

/** The agent writes it anew so often, news or not, as long as it can. */
export const STATUS_STAMPED_EVERY_MS = 60_000

/** A file that is there while the node has joined. */
export const joinedMarkPath = (runtimeDirectory: string): string => join(runtimeDirectory, 'joined')

export const writeStatusFile = (files: Files, runtimeDirectory: string, status: object): Promise<void> =>
  replaceFile(files, statusPath(runtimeDirectory), `${JSON.stringify(status, null, 2)}\n`, 0o644)

/** Service managers can wait for a file that is there, not for what stands in one. */
export async function markJoined(files: Files, runtimeDirectory: string, hasJoined: boolean): Promise<void> {
  const mark = joinedMarkPath(runtimeDirectory)
  const there = await files.stat(mark)
  if (hasJoined ? there?.kind === 'file' : there === undefined) return
  if (hasJoined) await replaceFile(files, mark, '', 0o644)
  else await files.remove(mark)
}

/** Undefined where no agent ever wrote one, or it is no JSON. */
export async function readStatusFile(files: Files, runtimeDirectory: string): Promise<unknown> {
  const bytes = await files.read(statusPath(runtimeDirectory), MAX_FILE_BYTES)
  return bytes === undefined ? undefined : parseJson(bytes)
}
