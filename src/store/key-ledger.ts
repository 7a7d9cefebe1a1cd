/**
 * When keys were made for requests with the bootstrap credential, over restarts: what bounds how often a node joins
 * again. It holds times and the digest of a configuration, and nothing of a key.
 */
import { join } from 'node:path'
import { listAt, parseJson, textAt } from '../lib/json.ts'
import type { Files } from '../lib/ports.ts'
import { MAX_FILE_BYTES } from '../lib/text-file.ts'
import { timestamp } from '../lib/timestamp.ts'
import { replaceFile } from './durable-file.ts'

export interface KeyLedger {
  /** Oldest first. */
  madeAtMs: readonly number[]
  /** Of the join configuration that they were made for: another one begins anew. */
  configurationDigest: string
}

export const keyLedgerPath = (stateDirectory: string): string => join(stateDirectory, 'keys-made.json')

/** It is there and says nothing: no key is younger than the file. */
export interface UnreadableLedger {
  writtenAtMs: number
}

/** Undefined where there is none. */
export async function readKeyLedger(
  files: Files,
  stateDirectory: string,
): Promise<KeyLedger | UnreadableLedger | undefined> {
  const path = keyLedgerPath(stateDirectory)
  const bytes = await files.read(path, MAX_FILE_BYTES)
  if (bytes === undefined) return undefined
  const value = parseJson(bytes)
  const configurationDigest = textAt(value, 'configurationDigest')
  if (configurationDigest === undefined) return { writtenAtMs: (await files.stat(path))?.modifiedMs ?? 0 }
  const times = listAt(value, 'madeAt').map((item) => (typeof item === 'string' ? Date.parse(item) : NaN))
  return { madeAtMs: times.filter((ms) => !Number.isNaN(ms)), configurationDigest }
}

export async function writeKeyLedger(files: Files, stateDirectory: string, ledger: KeyLedger): Promise<void> {
  const madeAt = ledger.madeAtMs.map(timestamp)
  const text = `${JSON.stringify({ madeAt, configurationDigest: ledger.configurationDigest }, null, 2)}\n`
  await replaceFile(files, keyLedgerPath(stateDirectory), text, 0o600, 0o700)
}
