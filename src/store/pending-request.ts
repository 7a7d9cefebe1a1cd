/**
 * The key that has no certificate yet, together with the very request that was made with it, in one file: so a restart
 * sends the same bytes under the same name. Beside it, what the cluster refused, so that it is not asked for again.
 */
import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { numberAt, parseJson, textAt } from '../lib/json.ts'
import type { Files } from '../lib/ports.ts'
import { MAX_FILE_BYTES, readText } from '../lib/text-file.ts'
import { privateKeyFromPem, privateKeyToPem } from '../pki/private-key.ts'
import { addressOctets, subjectNames, type SubjectNames } from '../pki/subject-names.ts'
import { removeDurably, replaceFile } from './durable-file.ts'

export interface PendingRequest {
  key: KeyObject
  /** PEM, CERTIFICATE REQUEST. */
  request: string
  /** The CertificateSigningRequest's name. */
  name: string
  usages: readonly string[]
  /** The lifetime that is asked for with it; undefined leaves it to the signer. */
  expirationSeconds: number | undefined
  /** What a server's certificate is asked for; undefined for a client's. */
  names: SubjectNames | undefined
  /** Written down where it was looked for and not found, so that the next process need not begin anew. */
  unsentSince: UnsentSince | undefined
}

/** From then on nobody has sent the request: an instant of the monotonic clock, which means something within that boot. */
export interface UnsentSince {
  bootId: string
  monotonicMs: number
}

export interface Refusal {
  kind: 'denied' | 'failed' | 'unusable'
  /** Of the CertificateSigningRequest that was refused. */
  name: string
  reason: string
  message: string
  atMs: number
  /** Of the join configuration at that time: a changed one is the operator's word to try again. */
  configurationDigest: string
  /** Refusals in a row, this one included. */
  count: number
}

export const pendingRequestPath = (stateDirectory: string): string => join(stateDirectory, 'pending-request.pem')
export const refusalPath = (stateDirectory: string): string => join(stateDirectory, 'refusal.json')

const HEADER =
  /^# certificatesigningrequest: (\S{1,253}), usages: ([a-z ]{1,40}(?:\+[a-z ]{1,40}){0,9}), expirationSeconds: (\d{1,12}|none)(?:, names: ([0-9A-Za-z.:+-]{0,60000}))?$/m
const UNSENT = /^# not sent since: boot ([0-9A-Za-z-]{1,64}), (\d{1,15}) ms$/m
const KEY_BLOCK = /-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END PRIVATE KEY-----\n/
const REQUEST_BLOCK = /-----BEGIN CERTIFICATE REQUEST-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE REQUEST-----\n/

/** Undefined where there is none, and for one that cannot be used: a new key takes its place. */
export async function readPendingRequest(files: Files, stateDirectory: string): Promise<PendingRequest | undefined> {
  const text = (await readText(files, pendingRequestPath(stateDirectory))) ?? ''
  const [, name, usages, expiration, names] = HEADER.exec(text) ?? []
  const request = REQUEST_BLOCK.exec(text)?.[0]
  const key = privateKeyFromPem(KEY_BLOCK.exec(text)?.[0] ?? '')
  if (name === undefined || usages === undefined || request === undefined || key === undefined) return undefined
  return {
    key,
    request,
    name,
    usages: usages.split('+'),
    expirationSeconds: expiration === 'none' ? undefined : Number(expiration),
    names: names === undefined ? undefined : parseNames(names.split('+')),
    unsentSince: parseUnsentSince(text),
  }
}

function parseUnsentSince(text: string): UnsentSince | undefined {
  const [, bootId, monotonicMs] = UNSENT.exec(text) ?? []
  return bootId === undefined ? undefined : { bootId, monotonicMs: Number(monotonicMs) }
}

const parseNames = (all: readonly string[]): SubjectNames => {
  const isAddress = (text: string): boolean => addressOctets(text) !== undefined
  return subjectNames(
    all.filter((text) => text !== '' && !isAddress(text)),
    all.filter(isAddress),
  )
}

export async function writePendingRequest(
  files: Files,
  stateDirectory: string,
  pending: PendingRequest,
): Promise<void> {
  const { name, usages, expirationSeconds, names, unsentSince } = pending
  const asked = names === undefined ? '' : `, names: ${[...names.dnsNames, ...names.ipAddresses].join('+')}`
  const header = `# certificatesigningrequest: ${name}, usages: ${usages.join('+')}, expirationSeconds: ${expirationSeconds ?? 'none'}${asked}\n`
  const unsent =
    unsentSince === undefined ? '' : `# not sent since: boot ${unsentSince.bootId}, ${unsentSince.monotonicMs} ms\n`
  const content = header + unsent + privateKeyToPem(pending.key) + pending.request
  await replaceFile(files, pendingRequestPath(stateDirectory), content, 0o600, 0o700)
}

/** Forgets the key, its request and a refusal; the refusal last, so that a crash between never asks again. */
export async function removePendingRequest(files: Files, stateDirectory: string): Promise<void> {
  await removeDurably(files, pendingRequestPath(stateDirectory))
  await removeDurably(files, refusalPath(stateDirectory))
}

export async function readRefusal(files: Files, stateDirectory: string): Promise<Refusal | undefined> {
  const bytes = await files.read(refusalPath(stateDirectory), MAX_FILE_BYTES)
  const value = bytes === undefined ? undefined : parseJson(bytes)
  const kind = textAt(value, 'kind')
  const [name, reason, message] = [textAt(value, 'name'), textAt(value, 'reason'), textAt(value, 'message')]
  const [atMs, configurationDigest] = [numberAt(value, 'atMs'), textAt(value, 'configurationDigest')]
  const count = numberAt(value, 'count')
  if (kind !== 'denied' && kind !== 'failed' && kind !== 'unusable') return undefined
  if (name === undefined || reason === undefined || message === undefined) return undefined
  if (atMs === undefined || configurationDigest === undefined || count === undefined) return undefined
  return { kind, name, reason, message, atMs, configurationDigest, count }
}

export async function writeRefusal(files: Files, stateDirectory: string, refusal: Refusal): Promise<void> {
  await replaceFile(files, refusalPath(stateDirectory), `${JSON.stringify(refusal, null, 2)}\n`, 0o600, 0o700)
}
