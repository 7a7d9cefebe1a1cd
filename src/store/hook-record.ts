/**
 * Up to which certificate the hooks have run, in `hooks.json`: what is not in it is still to be run, so that a crash between
 * an installation and its hooks loses none of them.
 */
import { join } from 'node:path'
import { fieldAt, listAt, parseJson, textAt } from '../lib/json.ts'
import type { Files } from '../lib/ports.ts'
import { MAX_FILE_BYTES } from '../lib/text-file.ts'
import { replaceFile } from './durable-file.ts'

export type HookEvent = 'joined' | 'renewed'

export interface HookRecord {
  /** Fingerprint of the certificate that the hooks are run for: SHA-256, lower-case hex. */
  certificate: string
  /** What that certificate means: the first one, or a further one. */
  event: HookEvent
  /** Digests of the hooks that have succeeded for it. */
  done: readonly string[]
  /** Every hook of the event has succeeded at some time. */
  isComplete: boolean
}

export const hookRecordPath = (stateDirectory: string): string => join(stateDirectory, 'hooks.json')

/** Undefined where there is none, and for one that cannot be read as such: then the hooks are run again. */
export async function readHookRecord(files: Files, stateDirectory: string): Promise<HookRecord | undefined> {
  const bytes = await files.read(hookRecordPath(stateDirectory), MAX_FILE_BYTES)
  const value = bytes === undefined ? undefined : parseJson(bytes)
  const [certificate, event] = [textAt(value, 'certificate'), textAt(value, 'event')]
  if (certificate === undefined || (event !== 'joined' && event !== 'renewed')) return undefined
  const done = listAt(value, 'done').filter((item) => typeof item === 'string')
  return { certificate, event, done, isComplete: fieldAt(value, 'isComplete') === true }
}

export async function writeHookRecord(files: Files, stateDirectory: string, record: HookRecord): Promise<void> {
  await replaceFile(files, hookRecordPath(stateDirectory), `${JSON.stringify(record, null, 2)}\n`, 0o600, 0o700)
}
