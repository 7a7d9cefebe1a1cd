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
  /** Likewise, of keys that nobody knows of: they count because a ledger before this one could not be read. */
  assumedAtMs: readonly number[]
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
  const times = (key: string): number[] =>
    listAt(value, key)
      .map((item) => (typeof item === 'string' ? Date.parse(item) : NaN))
      .filter((ms) => !Number.isNaN(ms))
  return { madeAtMs: times('madeAt'), assumedAtMs: times('assumedAt'), configurationDigest }
}

export async function writeKeyLedger(files: Files, stateDirectory: string, ledger: KeyLedger): Promise<void> {
  const { madeAtMs, assumedAtMs, configurationDigest } = ledger
  const assumed = assumedAtMs.length === 0 ? {} : { assumedAt: assumedAtMs.map(timestamp) }
  const document = { madeAt: madeAtMs.map(timestamp), ...assumed, configurationDigest }
  const text = `${JSON.stringify(document, null, 2)}\n`
  await replaceFile(files, keyLedgerPath(stateDirectory), text, 0o600, 0o700)
}
