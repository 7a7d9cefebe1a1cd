/**
 * What is done beside the way to a certificate: the hooks, the recheck whether all is as it was, the protection of what
 * others may read; and, while a renewal is due, what puts the pair and the cluster's files back in their place. When each is
 * due; one that fails has a next attempt of its own and holds nothing else up. Pure.
 */
import type { BootstrapError } from '../lib/errors.ts'
import { retryDelayMs } from './backoff.ts'
import type { FailedErrand, Observed, SeenCertificate } from './observed.ts'

/** An hour, give or take a quarter: a fleet that was started at once does not ask at once. */
export const RECHECK_INTERVAL_MS = 60 * 60 * 1000
/** A refusal is looked at again after this: before it is believed, and for as long as it lasts. */
export const REFUSAL_RECHECK_MS = 60 * 1000
/** What comes again and again is rare in the end, whatever it is. */
const LONGEST_ERRAND_PAUSE_MS = 60 * 60 * 1000

/** `fraction` is uniform in [0, 1). */
export const recheckIntervalMs = (fraction: number): number => RECHECK_INTERVAL_MS * (0.75 + fraction / 2)

export const isTimeFor = (failed: FailedErrand | undefined, nowMs: number): boolean =>
  failed === undefined || nowMs >= failed.nextAttemptMs

/** A certificate that nobody has asked about is asked about at once. */
export function isRecheckDue({ nextRecheckMs, failedRecheck, authentication }: Observed, nowMs: number): boolean {
  if (failedRecheck !== undefined) return isTimeFor(failedRecheck, nowMs)
  return authentication.kind === 'unasked' || (nextRecheckMs !== undefined && nowMs >= nextRecheckMs)
}

/** In every phase, before anything else: a key is read in a moment. */
export const isProtectionDue = ({ exposed, failedProtection }: SeenCertificate, nowMs: number): boolean =>
  exposed.length > 0 && isTimeFor(failedProtection, nowMs)

/** Of one certificate; only the client's is rechecked, and published. */
export type FailedErrands = Pick<Observed, 'failedHooks' | 'failedProtection' | 'failedRestore'> &
  Partial<Pick<Observed, 'failedRecheck' | 'failedPublish'>>

/** Until an errand that failed is tried again, in ms; Infinity where that time has passed, or none failed. */
export function msUntilNextAttempt(failed: FailedErrands, nowMs: number): number {
  const { failedHooks, failedRecheck, failedProtection, failedRestore, failedPublish } = failed
  const waitsMs = [failedHooks, failedRecheck, failedProtection, failedRestore, failedPublish].map(
    (failed) => (failed?.nextAttemptMs ?? Infinity) - nowMs,
  )
  return Math.min(...waitsMs.filter((ms) => ms > 0), Infinity)
}

export type Errand = 'run-hooks' | 'recheck' | 'protect'

export const isErrand = (kind: string): kind is Errand => ['run-hooks', 'recheck', 'protect'].includes(kind)

/** A renewal needs neither the link of the pair before nor what the kubelet reads: due, it waits for no disk that fails there. */
export type Deferrable = Errand | 'restore' | 'publish'

export const isDeferrable = (kind: string, isRenewalDue: boolean): kind is Deferrable =>
  isErrand(kind) || (isRenewalDue && (kind === 'restore' || kind === 'publish'))

/** `before`: how it failed the last time, where it did. `fraction` is uniform in [0, 1). */
export function putOff(
  errand: Deferrable,
  error: BootstrapError,
  before: FailedErrand | undefined,
  { nowMs, fraction }: { nowMs: number; fraction: number },
): FailedErrand {
  const count = (before?.count ?? 0) + 1
  const longestMs = errand === 'recheck' ? undefined : LONGEST_ERRAND_PAUSE_MS
  const failure = { error, count, elapsedMs: 0, attemptMs: Infinity, longestMs }
  return { error, count, nextAttemptMs: nowMs + retryDelayMs(failure, fraction) }
}
