/**
 * Looks at what the disk says of one kind of certificate, and of the way to the next one, judged against today's
 * configuration. It changes nothing.
 */
import { basename, join } from 'node:path'
import type { Files } from '../lib/ports.ts'
import { askedRenewalPath, readAskedRenewal } from '../store/asked-renewal.ts'
import { currentPairPath, readDatedPairs, staleFiles, type DatedPairs } from '../store/certificate-pair.ts'
import { temporaryPath } from '../store/durable-file.ts'
import { hookRecordPath, readHookRecord, type HookRecord } from '../store/hook-record.ts'
import { keyLedgerPath, readKeyLedger } from '../store/key-ledger.ts'
import {
  pendingRequestPath,
  readPendingRequest,
  readRefusal,
  refusalPath,
  type PendingRequest,
  type Refusal,
} from '../store/pending-request.ts'
import { pairPlace, stateDirectory } from './certificate-kind.ts'
import { configurationDigest } from './digests.ts'
import { exposedFiles, type ExposedFile } from './exposed-files.ts'
import { dueHooks, type DueHooks } from './hooks.ts'
import type { CertificateMemory, SeenCertificate, SeenIdentity } from './observed.ts'
import type { Oddity } from './oddities.ts'
import { outdatedBy } from './outdated-request.ts'
import { mismatchOf } from './pair-mismatch.ts'
import { NO_KEYS, timesOf } from './rejoin.ts'
import { seeIdentity, type IdentityLook } from './see-identity.ts'

export interface Look extends IdentityLook {
  memory: CertificateMemory
  /** Of the certificate that the API server has accepted since the agent started. */
  acceptedFingerprint: string | undefined
}

export async function seeCertificate(look: Look): Promise<SeenCertificate> {
  const { files, configuration, kind, memory } = look
  const state = stateDirectory(configuration.files, kind)
  const recorded = await readRefusal(files, state)
  const kept = await readPendingRequest(files, state)
  const difference = kept && outdatedBy(kept, configuration, look.names)
  const refusal = stands(recorded, kept, look) && difference === undefined ? recorded : undefined
  const askedRenewal = await readAskedRenewal(files, state)
  const ledger = await readKeyLedger(files, state)
  const hookRecord = await readHookRecord(files, state)
  const broken = await unreadable(files, state, { kept, recorded, hookRecord, askedRenewal, times: timesIn(ledger) })
  const dated = await readDatedPairs(files, pairPlace(configuration.files, kind))
  const { identity, oddity } = await seeIdentity(look, dated, askedRenewal)
  const spent =
    isSpent(kept, identity, refusal === undefined ? recorded : undefined) || isSurpassed(kept, identity, dated)
  const pending = spent ? undefined : kept
  const outdated = spent ? undefined : difference
  const isUntried = kept !== undefined && lacksTrial(kept, identity, look) && !tookOver(identity, dated, look)
  const exposed = await exposedFiles(files, configuration, kind)
  const isHopeless = ({ path }: ExposedFile): boolean => memory.unprotected.has(path)
  const hooks = identity.kind === 'ours' ? seeHooks(look, hookRecord, identity.pair.certificate.fingerprint) : undefined
  return {
    identity,
    isUntried,
    hooks,
    failedHooks: hooks?.certificate === memory.failedHooks?.certificate ? memory.failedHooks : undefined,
    pending,
    outdated,
    request: pending !== undefined && memory.request?.name === pending.name ? memory.request : undefined,
    refusal,
    lastRefusal: recorded,
    ...(memory.retryRefused ? NO_KEYS : timesOf(ledger, configurationDigest(configuration))),
    exposed: exposed.filter((file) => !isHopeless(file)).map(({ path }) => path),
    failedProtection: exposed.length > 0 ? memory.failedProtection : undefined,
    failedRestore: identity.kind === 'ours' && identity.misplaced ? memory.failedRestore : undefined,
    unprotected: exposed.filter(isHopeless).map(({ path, holds }) => ({ path, holds })),
    leftOver: await seeLeftOver(look, identity, {
      pending: spent && !isUntried && identity.kind === 'ours',
      refusal: recorded !== undefined && (kept === undefined || (spent && !isUntried)),
      askedRenewal: broken.includes('asked-renewal-unreadable') ? '' : askedRenewal,
    }),
    oddities: [
      ...(oddity === undefined ? [] : [oddity]),
      ...new Set(exposed.map((file) => file.oddity)),
      ...(dated.unread === undefined ? [] : (['older-pair-unreadable'] as const)),
      ...(outdated === undefined ? [] : (['pending-request-outdated'] as const)),
      ...broken,
    ],
  }
}

const seeHooks = (
  { configuration, kind }: Look,
  record: HookRecord | undefined,
  fingerprint: string,
): DueHooks | undefined => dueHooks(configuration.hooks, record, fingerprint, kind.firstEvent)

type OwnFile = 'kept' | 'recorded' | 'hookRecord' | 'askedRenewal' | 'times'

/** Files of the agent's own that are there and say nothing. One that came since it was `seen` is read once more. */
async function unreadable(files: Files, state: string, seen: Readonly<Record<OwnFile, unknown>>): Promise<Oddity[]> {
  const suspects: [OwnFile, read: (files: Files, state: string) => Promise<unknown>, path: string, Oddity][] = [
    ['kept', readPendingRequest, pendingRequestPath(state), 'pending-request-unreadable'],
    ['recorded', readRefusal, refusalPath(state), 'refusal-unreadable'],
    ['hookRecord', readHookRecord, hookRecordPath(state), 'hook-record-unreadable'],
    ['askedRenewal', readAskedRenewal, askedRenewalPath(state), 'asked-renewal-unreadable'],
    ['times', async () => timesIn(await readKeyLedger(files, state)), keyLedgerPath(state), 'key-ledger-unreadable'],
  ]
  const found: Oddity[] = []
  for (const [file, read, path, oddity] of suspects) {
    if (seen[file] !== undefined || (await files.stat(path)) === undefined) continue
    if ((await read(files, state)) === undefined) found.push(oddity)
  }
  return found
}

const timesIn = (ledger: Awaited<ReturnType<typeof readKeyLedger>>): readonly number[] | undefined =>
  ledger !== undefined && 'madeAtMs' in ledger ? ledger.madeAtMs : undefined

/** What a crash leaves: a temporary file, a key whose certificate is installed, a refusal without its key, a wish fulfilled, old pairs. */
async function seeLeftOver(
  { files, configuration, kind }: Look,
  identity: SeenIdentity,
  own: { pending: boolean; refusal: boolean; askedRenewal: string | undefined },
): Promise<string[]> {
  if (identity.kind !== 'ours' || identity.misplaced) return []
  const state = stateDirectory(configuration.files, kind)
  const place = pairPlace(configuration.files, kind)
  const found: string[] = []
  const temporary = temporaryPath(pendingRequestPath(state))
  if ((await files.stat(temporary)) !== undefined) found.push(temporary)
  if (own.pending) found.push(pendingRequestPath(state))
  if (own.refusal) found.push(refusalPath(state))
  if (own.askedRenewal !== undefined && own.askedRenewal !== identity.pair.certificate.fingerprint)
    found.push(askedRenewalPath(state))
  const target = await files.readLink(currentPairPath(place))
  // Where the kubelet renews, its files are its own.
  if (configuration.certificate.rotation.owner === 'agent' && target !== undefined)
    found.push(...(await staleFiles(files, place, join(place.directory, basename(target)))))
  return found
}

/** A key is for one certificate: where its own is installed, or was refused and that no longer stands, another one is made. */
function isSpent(pending: PendingRequest | undefined, identity: SeenIdentity, overcome: Refusal | undefined): boolean {
  if (pending === undefined) return false
  return overcome?.name === pending.name || (identity.kind === 'ours' && identity.pair.key.equals(pending.key))
}

/** The certificate of the key had its time before the one in force: the kubelet renewed it before it was tried out. */
function isSurpassed(pending: PendingRequest | undefined, identity: SeenIdentity, { pairs }: DatedPairs): boolean {
  if (pending === undefined || identity.kind !== 'ours') return false
  const { notBeforeMs } = identity.pair.certificate
  return pairs.some(({ key, certificate }) => key.equals(pending.key) && certificate.notBeforeMs < notBeforeMs)
}

/** A first certificate stands beside its request until the API server has accepted it; a further one is tried out before. */
const lacksTrial = (pending: PendingRequest, identity: SeenIdentity, { kind, acceptedFingerprint }: Look): boolean =>
  kind.name === 'client' &&
  identity.kind === 'ours' &&
  identity.pair.key.equals(pending.key) &&
  identity.pair.certificate.fingerprint !== acceptedFingerprint

/** One that took the place of another while that was good was tried out before: what is left of its request is a crash's. */
function tookOver(identity: SeenIdentity, { pairs }: DatedPairs, { configuration, kind, cluster }: Look): boolean {
  if (identity.kind !== 'ours' || cluster === undefined) return false
  const { key, writtenAtMs } = identity.pair
  return pairs.some(
    (other) =>
      !other.key.equals(key) &&
      other.certificate.notAfterMs > writtenAtMs &&
      mismatchOf(other, configuration, kind, cluster) === undefined,
  )
}

/** A refusal is about one key: it stands until another has taken that one's place, as long as nothing else has changed. */
function stands(refusal: Refusal | undefined, kept: PendingRequest | undefined, look: Look): boolean {
  const { configuration, memory } = look
  if (refusal === undefined || memory.retryRefused) return false
  if (refusal.configurationDigest !== configurationDigest(configuration)) return false
  return kept === undefined || kept.name === refusal.name
}
