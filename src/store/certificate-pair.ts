/**
 * A certificate of the kubelet's and its key: `<stem>-<time>.pem`, never overwritten, and the link `<stem>-current.pem` to
 * the one in force. Read with a typed answer for what can stand there; installed so that there is a loadable pair at
 * every instant.
 */
import type { KeyObject } from 'node:crypto'
import { createPublicKey } from 'node:crypto'
import { basename, join } from 'node:path'
import { BootstrapError } from '../lib/errors.ts'
import type { Files } from '../lib/ports.ts'
import { MAX_FILE_BYTES, readText } from '../lib/text-file.ts'
import { timestamp } from '../lib/timestamp.ts'
import { CertificateError, parseCertificates, type Certificate } from '../pki/certificate.ts'
import { privateKeyFromPem, privateKeyToPem } from '../pki/private-key.ts'
import { replaceFile, replaceLink } from './durable-file.ts'

/** Where the pairs of one kind stand: the kubelet's own names for them (client-go util/certificate, certificate_store.go). */
export interface PairPlace {
  directory: string
  stem: 'kubelet-client' | 'kubelet-server'
}

export interface CertificatePair {
  certificate: Certificate
  /** What came with it, leaf excluded. */
  intermediates: readonly Certificate[]
  key: KeyObject
  /** The certificate blocks as they stand in the file, leaf first. */
  chainPem: string
  /** When the file was written, by its own time stamp. */
  writtenAtMs: number
}

export type PairFault =
  'link-missing' | 'link-dangling' | 'private-key-unreadable' | 'certificate-unreadable' | 'key-mismatch'

/** Where a loadable pair stands other than the agent, and the kubelet, put it. */
export type Misplacement = 'not-a-link'

export type StoredPair =
  | { kind: 'absent' }
  | { kind: 'broken'; fault: PairFault }
  | { kind: 'pair'; pair: CertificatePair; misplacement: Misplacement | undefined }

/** After the stem. Its groups are the time, to the second, and the number of a further file of that second. */
const DATED = /^-(\d{4}(?:-\d\d){5})(?:\.(\d{1,6}))?\.pem$/
const FILES_KEPT = 2
const MODE = 0o600
const CERTIFICATE_BLOCK = /-----BEGIN CERTIFICATE-----\r?\n[A-Za-z0-9+/=\r\n]+-----END CERTIFICATE-----/g
const KEY_BLOCK =
  /-----BEGIN (?:EC |RSA )?PRIVATE KEY-----\r?\n[A-Za-z0-9+/=\r\n]+-----END (?:EC |RSA )?PRIVATE KEY-----/

export const currentPairPath = ({ directory, stem }: PairPlace): string => join(directory, `${stem}-current.pem`)

/** Reads through the link. Only failures of the file system itself throw. */
export async function readCurrentPair(files: Files, place: PairPlace): Promise<StoredPair> {
  const path = currentPairPath(place)
  const entry = await files.stat(path)
  if (entry === undefined)
    return (await datedFiles(files, place)).length === 0
      ? { kind: 'absent' }
      : { kind: 'broken', fault: 'link-missing' }
  const text = await readText(files, path)
  if (text === undefined) return { kind: 'broken', fault: 'link-dangling' }
  const target = entry.kind === 'link' ? await files.readLink(path) : undefined
  const written = target === undefined ? entry : await files.stat(join(place.directory, target.split('/').pop() ?? ''))
  const pair = parsePair(text, written?.modifiedMs ?? entry.modifiedMs)
  if (typeof pair === 'string') return { kind: 'broken', fault: pair }
  return { kind: 'pair', pair, misplacement: entry.kind === 'link' ? undefined : 'not-a-link' }
}

export interface DatedPairs {
  /** Those that can be loaded, newest first. */
  pairs: readonly CertificatePair[]
  /** Why the first that the file system does not hand out cannot be read: it may be a pair, too. */
  unread: BootstrapError | undefined
}

/** Whether the link leads to one of them or not. One that cannot be read hides none of the others. */
export async function readDatedPairs(files: Files, place: PairPlace): Promise<DatedPairs> {
  const pairs: CertificatePair[] = []
  let unread: BootstrapError | undefined
  for (const path of (await datedFiles(files, place)).toReversed())
    try {
      const pair = parsePair((await readText(files, path)) ?? '', (await files.stat(path))?.modifiedMs ?? 0)
      if (typeof pair !== 'string') pairs.push(pair)
    } catch (thrown) {
      if (!(thrown instanceof BootstrapError)) throw thrown
      unread ??= thrown
    }
  return { pairs, unread }
}

function parsePair(text: string, writtenAtMs: number): CertificatePair | PairFault {
  const chainPem = (text.match(CERTIFICATE_BLOCK) ?? []).map((block) => `${block}\n`).join('')
  const key = privateKeyFromPem(KEY_BLOCK.exec(text)?.[0] ?? '')
  if (key === undefined) return 'private-key-unreadable'
  try {
    const [certificate, ...intermediates] = parseCertificates(chainPem)
    const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' })
    if (!publicKey.equals(certificate.spki)) return 'key-mismatch'
    return { certificate, intermediates, key, chainPem, writtenAtMs }
  } catch (thrown) {
    if (thrown instanceof CertificateError) return 'certificate-unreadable'
    throw thrown
  }
}

/** `2026-11-23-19-48-22`, UTC, as the kubelet names its files. */
const timeStamp = (nowMs: number): string => timestamp(nowMs).slice(0, 19).replace(/[T:]/g, '-')

/**
 * Makes `chainPem` and `key` the current pair and removes dated files beyond the last two. A file of this very content,
 * left by a crash between the two steps, is used instead of writing a second one.
 */
export async function installPair(
  files: Files,
  place: PairPlace,
  chainPem: string,
  key: KeyObject,
  nowMs: number,
): Promise<string> {
  const content = chainPem + privateKeyToPem(key)
  const known = await datedFiles(files, place)
  const path =
    (await fileOfContent(files, known, content)) ?? (await writeDatedFile(files, place, known, content, nowMs))
  await replaceLink(files, currentPairPath(place), path)
  for (const other of await staleFiles(files, place, path)) await files.remove(other)
  return path
}

/** Dated files that are of no use beside `current`: they are older than the last two. */
export async function staleFiles(files: Files, place: PairPlace, current: string): Promise<string[]> {
  const others = (await datedFiles(files, place)).filter((path) => path !== current)
  return others.slice(0, -(FILES_KEPT - 1))
}

interface DatedFile {
  stamp: string
  number: number
}

function dated({ stem }: PairPlace, path: string): DatedFile | undefined {
  const name = basename(path)
  const [, stamp, number = '0'] = (name.startsWith(stem) ? DATED.exec(name.slice(stem.length)) : undefined) ?? []
  return stamp === undefined ? undefined : { stamp, number: Number(number) }
}

/** Everything of the pair that stands in the directory: the link, then the dated files. */
export async function pairPaths(files: Files, place: PairPlace): Promise<string[]> {
  return [currentPairPath(place), ...(await datedFiles(files, place))]
}

/**
 * Oldest first. As mere names, `….1.pem` would come before `….pem`. What only has such a name, and can be no pair, is
 * another's: it is neither read nor removed, and keeps no renewal up.
 */
async function datedFiles(files: Files, place: PairPlace): Promise<string[]> {
  const found = (await files.list(place.directory))
    .flatMap((name) => {
      const file = dated(place, name)
      return file === undefined ? [] : [{ ...file, path: join(place.directory, name) }]
    })
    .sort((one, other) => (one.stamp === other.stamp ? one.number - other.number : one.stamp < other.stamp ? -1 : 1))
    .map(({ path }) => path)
  const facts = await Promise.all(found.map((path) => files.stat(path)))
  return found.filter((_path, index) => facts[index]?.kind === 'file' && facts[index].sizeBytes <= MAX_FILE_BYTES)
}

async function fileOfContent(files: Files, paths: readonly string[], content: string): Promise<string | undefined> {
  for (const path of paths.toReversed()) if ((await textIfReadable(files, path)) === content) return path
  return undefined
}

/** One that cannot be read is not known to be of any content: another is written beside it. */
async function textIfReadable(files: Files, path: string): Promise<string | undefined> {
  try {
    return await readText(files, path)
  } catch (thrown) {
    if (thrown instanceof BootstrapError) return undefined
    throw thrown
  }
}

async function writeDatedFile(
  files: Files,
  place: PairPlace,
  taken: readonly string[],
  content: string,
  nowMs: number,
): Promise<string> {
  const stamp = timeStamp(nowMs)
  const newest = taken.map((path) => dated(place, path)).findLast((file) => file?.stamp === stamp)
  const suffix = newest === undefined ? '' : `.${newest.number + 1}`
  const path = join(place.directory, `${place.stem}-${stamp}${suffix}.pem`)
  await replaceFile(files, path, content, MODE)
  return path
}
