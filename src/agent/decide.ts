/** From what was seen and the time to the one next action: pure and total. What an action does is act's. */
import { stopsJoining } from '../findings/policy.ts'
import { coversNames } from '../pki/subject-names.ts'
import type { Refusal } from '../store/pending-request.ts'
import { refusedRenewalPauseMs } from './backoff.ts'
import { isProtectionDue, isRecheckDue, isTimeFor } from './errands.ts'
import type { Observed, Outdated, SeenCertificate, SeenIdentity, SeenServing } from './observed.ts'
import { budgetSpentUntilMs } from './rejoin.ts'

/** Whose credential a request is made with: the bootstrap token's before there is a certificate, then the node's own. */
export type Requester = 'bootstrap' | 'node'

/** `refused`, `rejoin-forbidden` and `budget-spent` stand in the way of a certificate; with `renewal-overdue` there still is one. */
export type RestReason =
  | 'fresh'
  | 'refused'
  | 'not-yet-valid'
  | 'policy'
  | 'rejoin-forbidden'
  | 'budget-spent'
  | 'renewal-overdue'
  /** The first certificate is in place, and the API server has not accepted it yet. */
  | 'untried'
  /** Of a serving certificate: it is asked for by the node itself, for its addresses. */
  | 'not-joined'
  | 'addresses-unknown'

export type Action =
  | { kind: 'discover' }
  | { kind: 'restore' }
  | { kind: 'publish' }
  | { kind: 'tidy' }
  | { kind: 'run-hooks' }
  /** Does the API server still accept the certificate, and is the CA bundle still the one in force? */
  | { kind: 'recheck' }
  | { kind: 'make-key'; as: Requester; why: string }
  | { kind: 'submit'; as: Requester }
  /** What others may read of the agent's own files is written again, for their owner alone. */
  | { kind: 'protect' }
  /** What became of a request that is not what is wanted any more. */
  | { kind: 'look-up'; as: Requester }
  | { kind: 'await-outcome'; as: Requester }
  | { kind: 'record-refusal' }
  | { kind: 'install' }
  /** Nothing to do before `untilMs`, except to look again. */
  | { kind: 'rest'; untilMs: number; because: RestReason }

export type Standing = 'none' | 'fresh' | 'due' | 'refused' | 'expired' | 'not-yet-valid'

/** Where an identity stands in its life at `nowMs`. */
export function standingOf(identity: SeenIdentity, nowMs: number): Standing {
  if (identity.kind !== 'ours') return 'none'
  const { notBeforeMs, notAfterMs } = identity.pair.certificate
  if (nowMs < notBeforeMs) return 'not-yet-valid'
  if (nowMs >= notAfterMs) return 'expired'
  if (identity.isRefused) return 'refused'
  return nowMs < identity.rotateAtMs ? 'fresh' : 'due'
}

/** With these a certificate is good for what it is for. */
export const isValid = (standing: Standing): boolean => standing === 'fresh' || standing === 'due'

/** With these there is no certificate that the cluster takes: what comes next is to join, or to join again. */
export const isLost = (standing: Standing): boolean =>
  standing === 'none' || standing === 'expired' || standing === 'refused'

/**
 * Until a certificate that is valid now lapses, in ms; Infinity where there is none. No wait goes beyond it: what is to be
 * done, and what is true, is then another.
 */
export function msUntilLapse({ identity }: Pick<SeenCertificate, 'identity'>, nowMs: number): number {
  if (identity.kind !== 'ours' || nowMs >= identity.pair.certificate.notAfterMs) return Infinity
  return identity.pair.certificate.notAfterMs - nowMs
}

export function decide(seen: Observed, nowMs: number): Action {
  if (isProtectionDue(seen, nowMs)) return { kind: 'protect' }
  const standing = standingOf(seen.identity, nowMs)
  const isForbidden = seen.violations.some(stopsJoining)
  // A node that has joined stays one, with the cluster that it knows: policy forbids to trust anew.
  if (isForbidden && (seen.trust.kind === 'unknown' || isLost(standing)))
    return { kind: 'rest', untilMs: Infinity, because: 'policy' }
  if (seen.trust.kind === 'unknown') return { kind: 'discover' }
  // A renewal that is due does not wait for a discovery that fails: the cluster of the old one still knows this node.
  const goesOnWithOutdated = isForbidden || (seen.rediscoveryFailed && standing === 'due')
  if (seen.trust.kind === 'outdated' && !goesOnWithOutdated) return { kind: 'discover' }
  if (seen.identity.kind === 'ours' && isValid(standing)) {
    const isFresh = standing === 'fresh'
    if (seen.identity.misplaced && (isFresh || isTimeFor(seen.failedRestore, nowMs))) return { kind: 'restore' }
    const mayPublish = isFresh || isTimeFor(seen.failedPublish, nowMs)
    if (!seen.published && mayPublish) return { kind: 'publish' }
    const recheck: Action | undefined = isRecheckDue(seen, nowMs) ? { kind: 'recheck' } : undefined
    // A record of an earlier version lacks it: that is no reason to be less than healthy meanwhile.
    if (recheck === undefined && !seen.trust.record.hasJoined && mayPublish) return { kind: 'publish' }
    // Nothing is built on it before it has authenticated once, and nothing but its lapse takes its place.
    if (seen.isUntried) return recheck ?? { kind: 'rest', untilMs: Infinity, because: 'untried' }
    if (isFresh) return whileFresh(seen, seen.identity, nowMs, recheck)
  }
  // Whoever is refused may be accepted again, when the control plane has been put right.
  if ((standing === 'due' || standing === 'refused') && isRecheckDue(seen, nowMs)) return { kind: 'recheck' }
  // A certificate from the future is a clock that is wrong: another request would not mend it.
  if (standing === 'not-yet-valid') return { kind: 'rest', untilMs: Infinity, because: 'not-yet-valid' }
  const as = standing === 'due' ? 'node' : 'bootstrap'
  if (as === 'bootstrap' && !seen.mayJoin) return { kind: 'rest', untilMs: Infinity, because: 'rejoin-forbidden' }
  return nextStepToACertificate(seen, { as, hasValid: standing === 'due', isBounded: as === 'bootstrap' }, nowMs)
}

/** What is to be done for the serving certificate: the same way, by the node itself, and only once it is a node. */
export function decideServing(seen: Observed, serving: SeenServing, nowMs: number): Action {
  if (isProtectionDue(serving, nowMs)) return { kind: 'protect' }
  const isForbidden = seen.violations.some(stopsJoining)
  // Whose cluster is in doubt asks nothing of it, unless the doubt cannot be settled: then it is the one of before.
  const isKnown = seen.trust.kind === 'verified' || isForbidden || seen.rediscoveryFailed
  const isNode = isValid(standingOf(seen.identity, nowMs)) && !seen.isUntried
  if (seen.trust.kind === 'unknown' || !isKnown || !isNode)
    return { kind: 'rest', untilMs: Infinity, because: 'not-joined' }
  const standing = standingOf(serving.identity, nowMs)
  if (serving.identity.kind === 'ours' && isValid(standing)) {
    const mayRestore = standing === 'fresh' || isTimeFor(serving.failedRestore, nowMs)
    if (serving.identity.misplaced && mayRestore) return { kind: 'restore' }
    if (standing === 'fresh') return whileFresh(serving, serving.identity, nowMs)
  }
  if (standing === 'not-yet-valid') return { kind: 'rest', untilMs: Infinity, because: 'not-yet-valid' }
  if (serving.names.ipAddresses.length === 0) return { kind: 'rest', untilMs: Infinity, because: 'addresses-unknown' }
  const isBounded = !isScheduled(serving, nowMs)
  return nextStepToACertificate(serving, { as: 'node', hasValid: standing === 'due', isBounded }, nowMs)
}

/** A renewal whose time has come, or that a person's word or edit has brought forward: nothing that happens by itself more often. */
export const isScheduled = ({ identity, names }: SeenServing, nowMs: number): boolean =>
  identity.kind === 'ours' &&
  standingOf(identity, nowMs) === 'due' &&
  coversNames(identity.pair.certificate.subjectNames, names)

/** A renewal that is due waits for none of this. `recheck`: where that is due too. */
function whileFresh(
  seen: SeenCertificate,
  { rotateAtMs, overdueAtMs }: SeenIdentity & { kind: 'ours' },
  nowMs: number,
  recheck?: Action,
): Action {
  if (seen.leftOver.length > 0) return { kind: 'tidy' }
  if (seen.hooks !== undefined && isTimeFor(seen.failedHooks, nowMs)) return { kind: 'run-hooks' }
  if (recheck !== undefined) return recheck
  return nowMs < overdueAtMs
    ? { kind: 'rest', untilMs: Math.min(rotateAtMs, overdueAtMs), because: 'fresh' }
    : { kind: 'rest', untilMs: rotateAtMs, because: 'renewal-overdue' }
}

interface Way {
  as: Requester
  /** There is a certificate that is valid as yet. */
  hasValid: boolean
  /** No more keys than the budget allows. */
  isBounded: boolean
}

function nextStepToACertificate(seen: SeenCertificate, way: Way, nowMs: number): Action {
  const { as } = way
  if (seen.refusal !== undefined) return afterRefusal(seen.refusal, way, nowMs)
  if (seen.pending === undefined) return makeKey(seen, way, whyAKey(way), nowMs)
  if (seen.outdated !== undefined) return endOfOutdated(seen, seen.outdated, way, nowMs)
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

/**
 * A request that is not what is wanted any more is not left open beside another one: it is followed until it is closed, and
 * never created anew. Its certificate is used where it is good for this node (docs/adr/0009).
 */
function endOfOutdated(seen: SeenCertificate, { isUseless }: Outdated, way: Way, nowMs: number): Action {
  const another = (): Action => makeKey(seen, way, 'the request before is closed, and was not what is wanted', nowMs)
  switch (seen.request?.outcome.kind) {
    case undefined:
      return { kind: 'look-up', as: way.as }
    case 'pending':
    case 'approved':
      return { kind: 'await-outcome', as: way.as }
    case 'issued':
      return isUseless ? another() : { kind: 'install' }
    case 'denied':
    case 'failed':
      return another()
  }
}

const whyAKey = ({ hasValid }: Way): string => (hasValid ? 'the renewal is due' : 'there is no request under way')

function makeKey(seen: SeenCertificate, { as, isBounded }: Way, why: string, nowMs: number): Action {
  const untilMs = isBounded ? budgetSpentUntilMs(seen, nowMs) : undefined
  return untilMs === undefined ? { kind: 'make-key', as, why } : { kind: 'rest', untilMs, because: 'budget-spent' }
}

/** Without a valid certificate a refusal stands until a person acts; with one, the node asks again, ever more rarely. */
function afterRefusal(refusal: Refusal, { as, hasValid }: Way, nowMs: number): Action {
  if (!hasValid) return { kind: 'rest', untilMs: Infinity, because: 'refused' }
  const againAtMs = refusal.atMs + refusedRenewalPauseMs(refusal.count)
  // One from the future was recorded by a clock that was wrong.
  return nowMs >= againAtMs || nowMs < refusal.atMs
    ? { kind: 'make-key', as, why: 'the last renewal was refused, and the pause after it is over' }
    : { kind: 'rest', untilMs: againAtMs, because: 'refused' }
}
