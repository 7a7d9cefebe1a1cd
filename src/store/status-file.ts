/** status.json in the runtime directory: written by the agent, read by anyone. What is in it is the agent's to say. */
import { join } from 'node:path'
import { parseJson } from '../lib/json.ts'
import type { Files } from '../lib/ports.ts'
import { MAX_FILE_BYTES, replaceFile } from './durable-file.ts'

export const statusPath = (runtimeDirectory: string): string => join(runtimeDirectory, 'status.json')

export const writeStatusFile = (files: Files, runtimeDirectory: string, status: object): Promise<void> =>
  replaceFile(files, statusPath(runtimeDirectory), `${JSON.stringify(status, null, 2)}\n`, 0o644)

/** Undefined where no agent ever wrote one, or it is no JSON. */
export async function readStatusFile(files: Files, runtimeDirectory: string): Promise<unknown> {
  const bytes = await files.read(statusPath(runtimeDirectory), MAX_FILE_BYTES)
  return bytes === undefined ? undefined : parseJson(bytes)
}
