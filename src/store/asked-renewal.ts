/**
 * The operator's word that the certificate in force is to be renewed now. It names that certificate, so it is spent by the
 * renewal itself: no crash can lose the word, and none can make two renewals of it.
 */
import { join } from 'node:path'
import { parseJson, textAt } from '../lib/json.ts'
import type { Files } from '../lib/ports.ts'
import { MAX_FILE_BYTES } from '../lib/text-file.ts'
import { removeDurably, replaceFile } from './durable-file.ts'

export const askedRenewalPath = (stateDirectory: string): string => join(stateDirectory, 'asked-renewal.json')

/** `fingerprint` is that of the certificate to renew: SHA-256, lower-case hex. */
export async function askForRenewal(files: Files, stateDirectory: string, fingerprint: string): Promise<void> {
  const content = `${JSON.stringify({ certificate: fingerprint })}\n`
  await replaceFile(files, askedRenewalPath(stateDirectory), content, 0o600, 0o700)
}

/** The fingerprint of the certificate that is to be renewed now, where somebody asked. */
export async function readAskedRenewal(files: Files, stateDirectory: string): Promise<string | undefined> {
  const bytes = await files.read(askedRenewalPath(stateDirectory), MAX_FILE_BYTES)
  return bytes === undefined ? undefined : textAt(parseJson(bytes), 'certificate')
}

export const removeAskedRenewal = (files: Files, stateDirectory: string): Promise<void> =>
  removeDurably(files, askedRenewalPath(stateDirectory))
