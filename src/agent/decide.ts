/** From what was seen and the time to the one next action: pure and total. What an action does is act's. */
import { stopsJoining } from '../findings/policy.ts'
import type { Refusal } from '../store/pending-request.ts'
import type { Observed, SeenIdentity } from './observed.ts'

/** Whose credential a request is made with: the bootstrap token's before there is a certificate, then the node's own. */
export type Requester = 'bootstrap' | 'node'

export type Action =
  | { kind: 'discover' }
  | { kind: 'publish' }
  | { kind: 'run-hooks' }
  | { kind: 'make-key'; as: Requester; why: string }
  | { kind: 'submit'; as: Requester }
  | { kind: 'await-outcome'; as: Requester }
  | { kind: 'record-refusal' }
  | { kind: 'install' }
  /** Nothing to do before `untilMs`, except to look again. */
  | { kind: 'rest'; untilMs: number; because: 'fresh' | 'refused' | 'not-yet-valid' | 'policy' }

/** With a valid certificate, a refused renewal is tried again with a new key after this. */
export const REFUSED_RENEWAL_PAUSE_MS = 60 * 60 * 1000

export type Standing = 'none' | 'fresh' | 'due' | 'expired' | 'not-yet-valid'

/** Where an identity stands in its life at `nowMs`. */
export function standingOf(identity: SeenIdentity, nowMs: number): Standing {
  if (identity.kind !== 'ours') return 'none'
  const { notBeforeMs, notAfterMs } = identity.pair.certificate
  if (nowMs < notBeforeMs) return 'not-yet-valid'
  if (nowMs >= notAfterMs) return 'expired'
  return nowMs < identity.rotateAtMs ? 'fresh' : 'due'
}

/**
 * Until a certificate that is valid now lapses, in ms; Infinity where there is none. No wait goes beyond it: what is to be
 * done, and what is true, is then another.
 */
export function msUntilLapse({ identity }: Observed, nowMs: number): number {
  if (identity.kind !== 'ours' || nowMs >= identity.pair.certificate.notAfterMs) return Infinity
  return identity.pair.certificate.notAfterMs - nowMs
}

export function decide(seen: Observed, nowMs: number): Action {
  const standing = standingOf(seen.identity, nowMs)
  const isForbidden = seen.violations.some(stopsJoining)
  // A node that has joined stays one, with the cluster that it knows: policy forbids to trust anew.
  if (isForbidden && (seen.trust.kind === 'unknown' || standing === 'none' || standing === 'expired'))
    return { kind: 'rest', untilMs: Infinity, because: 'policy' }
  if (seen.trust.kind === 'unknown') return { kind: 'discover' }
  // A renewal that is due does not wait for a discovery that fails: the cluster of the old one still knows this node.
  const goesOnWithOutdated = isForbidden || (seen.rediscoveryFailed && standing === 'due')
  if (seen.trust.kind === 'outdated' && !goesOnWithOutdated) return { kind: 'discover' }
  if ((standing === 'fresh' || standing === 'due') && !seen.published) return { kind: 'publish' }
  // A renewal that is due does not wait for a hook that fails.
  if (standing === 'fresh' && seen.hooks !== undefined) return { kind: 'run-hooks' }
  if (standing === 'fresh' && seen.identity.kind === 'ours')
    return { kind: 'rest', untilMs: seen.identity.rotateAtMs, because: 'fresh' }
  // A certificate from the future is a clock that is wrong: another request would not mend it.
  if (standing === 'not-yet-valid') return { kind: 'rest', untilMs: Infinity, because: 'not-yet-valid' }
  return nextStepToACertificate(seen, standing === 'due' ? 'node' : 'bootstrap', nowMs)
}

function nextStepToACertificate(seen: Observed, as: Requester, nowMs: number): Action {
  if (seen.refusal !== undefined) return afterRefusal(seen.refusal, as, nowMs)
  if (seen.pending === undefined) return { kind: 'make-key', as, why: 'there is no request under way' }
  switch (seen.request?.outcome.kind) {
    case undefined:
      return { kind: 'submit', as }
    case 'pending':
    case 'approved':
      return { kind: 'await-outcome', as }
    case 'issued':
      return { kind: 'install' }
    case 'denied':
    case 'failed':
      return { kind: 'record-refusal' }
  }
}

/** Without a valid certificate a refusal stands until a person acts; with one, the node asks again, rarely. */
function afterRefusal(refusal: Refusal, as: Requester, nowMs: number): Action {
  if (as === 'bootstrap') return { kind: 'rest', untilMs: Infinity, because: 'refused' }
  const againAtMs = refusal.atMs + REFUSED_RENEWAL_PAUSE_MS
  // One from the future was recorded by a clock that was wrong.
  return nowMs >= againAtMs || nowMs < refusal.atMs
    ? { kind: 'make-key', as, why: 'the refusal of the last renewal is an hour old' }
    : { kind: 'rest', untilMs: againAtMs, because: 'refused' }
}
