/** Whether the status tells the truth: for all that can be seen, decided and have failed, in any combination. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decide, decideServing, isValid, standingOf } from '../../../src/agent/decide.ts'
import { NOTHING_SEEN } from '../../../src/agent/beginning.ts'
import type { Observed, SeenAuthentication, SeenIdentity, SeenServing } from '../../../src/agent/observed.ts'
import { overdueDeadline } from '../../../src/agent/rotation.ts'
import { statusOf, type Status } from '../../../src/agent/status.ts'
import type { FailureFacts } from '../../../src/agent/track.ts'
import { exitStatusOf } from '../../../src/cli/published-status.ts'
import type { Outcome } from '../../../src/kube/certificate-signing-request.ts'
import { EXIT, type ErrorCode } from '../../../src/lib/error-codes.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import {
  configurationWith,
  DAY_MS,
  HOUR_MS,
  identityOf,
  newAuthority,
  NOTHING_ODD,
  NOW_MS,
  pairFrom,
  pendingFor,
  recordFor,
  refusalAt,
  requestWith,
} from './fixtures.ts'

const configuration = configurationWith()
const authority = newAuthority()
const record = recordFor(configuration, authority)
const pair = pairFrom(authority)
const pending = pendingFor(pairFrom(authority))
const rotateAtMs = NOW_MS + 18 * HOUR_MS
const overdueAtMs = overdueDeadline(rotateAtMs, NOW_MS + DAY_MS)
const ours = { ...identityOf(pair, rotateAtMs), overdueAtMs }

const errorOf = (code: ErrorCode): BootstrapError => new BootstrapError(code, `it is ${code}`)
/** Mostly nothing: where much is wrong at once, the worst hides what is wrong with the rest. */
const maybe = <Value>(...values: readonly Value[]): fc.Arbitrary<Value | undefined> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.constantFrom(...values) })
const rarely = maybe(true).map((isSo) => isSo === true)
const errand = { error: errorOf('timed-out'), count: 1, nextAttemptMs: NOW_MS }
const failure = (code: ErrorCode, transient: boolean): FailureFacts => ({
  error: errorOf(code),
  transient,
  nextAttemptMs: NOW_MS,
})

const anyOutcome = fc.constantFrom<Outcome | undefined>(
  undefined,
  { kind: 'pending' },
  { kind: 'approved' },
  { kind: 'issued', certificate: '' },
  { kind: 'denied', reason: 'No', message: 'no' },
  { kind: 'failed', reason: 'No', message: 'no' },
)
const anyIdentity: fc.Arbitrary<SeenIdentity> = fc.oneof(
  fc.constantFrom<SeenIdentity>({ kind: 'absent' }, { kind: 'unusable' }),
  fc
    .record({ misplaced: rarely, isBehindLink: rarely, isRefused: rarely })
    .map((odd): SeenIdentity => ({ ...ours, ...odd })),
)
const anyAuthentication = fc.constantFrom<SeenAuthentication>(
  { kind: 'unasked' },
  { kind: 'accepted', atMs: NOW_MS },
  ...[true, false].map(
    (isConfirmed) =>
      ({ kind: 'refused', sinceMs: NOW_MS, error: errorOf('identity-not-accepted'), isConfirmed }) as const,
  ),
)
const anyCertificate = {
  identity: anyIdentity,
  hooks: maybe({ event: 'joined', certificate: '', hooks: [] } as unknown as NonNullable<Observed['hooks']>),
  failedHooks: maybe({ ...errand, error: errorOf('hook-failed') }),
  pending: maybe(pending),
  isPendingExposed: rarely,
  outdated: maybe({ isUseless: false, why: 'it asks for less' }, { isUseless: true, why: 'it is another’s' }),
  request: anyOutcome.map((outcome) => outcome && requestWith(outcome, pending.name)),
  refusal: maybe(refusalAt(rotateAtMs)),
  lastRefusal: maybe(refusalAt(rotateAtMs)),
  keysMadeAtMs: fc.constantFrom<number[]>([], Array<number>(6).fill(NOW_MS + 23.5 * HOUR_MS)),
}
const anyServing: fc.Arbitrary<SeenServing | undefined> = fc.option(
  fc
    .record({
      ...anyCertificate,
      names: fc.constantFrom({ dnsNames: [], ipAddresses: [] }, { dnsNames: ['a'], ipAddresses: ['10.0.0.1'] }),
    })
    .map((seen): SeenServing => ({ ...NOTHING_SEEN, ...NOTHING_ODD, ...seen })),
  { nil: undefined },
)
/** As `observe` has it: whose a pair is cannot be told before the cluster is known; only what is there is asked about, and tried once accepted. */
function asObserved(seen: Observed): Observed {
  const unknown = { identity: { kind: 'unusable' } as const }
  const known = seen.trust.kind === 'unknown' ? { ...seen, ...unknown, published: false } : seen
  const serving = seen.trust.kind === 'unknown' && seen.serving ? { ...seen.serving, ...unknown } : seen.serving
  const isOurs = known.identity.kind === 'ours'
  const isUntried = known.isUntried && isOurs && known.authentication.kind !== 'accepted'
  return { ...known, serving, isUntried, ...(isOurs ? {} : { authentication: { kind: 'unasked' } }) }
}

const finding = { id: 'token-without-pin', seen: 'there is no pin' } as const
const anySeen: fc.Arbitrary<Observed> = fc
  .record({
    ...anyCertificate,
    trust: fc.constantFrom<Observed['trust']>(
      { kind: 'unknown' },
      { kind: 'outdated', record },
      ...Array<Observed['trust']>(4).fill({ kind: 'verified', record }),
    ),
    rediscoveryFailed: fc.boolean(),
    isUntried: rarely,
    published: rarely.map((isNot) => !isNot),
    authentication: anyAuthentication,
    bundle: maybe({
      kind: 'held-back',
      sinceMs: NOW_MS,
      caCertHashes: [],
      error: errorOf('ca-bundle-held-back'),
    } as const),
    nextRecheckMs: maybe(NOW_MS, NOW_MS + DAY_MS),
    failedRecheck: maybe(errand),
    violations: maybe(finding).map((violation) => (violation === undefined ? [] : [violation])),
    mayJoin: fc.boolean(),
    serving: anyServing,
  })
  .map((seen): Observed => asObserved({ ...NOTHING_SEEN, ...NOTHING_ODD, ...seen }))

const anyFailure = maybe(
  failure('timed-out', true),
  failure('pin-mismatch', false),
  failure('rejoin-needs-credential', true),
)
const edges = [NOW_MS, rotateAtMs, overdueAtMs, NOW_MS + DAY_MS].flatMap((ms) => [ms - 1, ms])

function statusFor(
  seen: Observed,
  failed: FailureFacts | undefined,
  servingFailed: FailureFacts | undefined,
  nowMs: number,
): Status {
  const serving = seen.serving && { action: decideServing(seen, seen.serving, nowMs), failure: servingFailed }
  const body = statusOf({ configuration, seen, action: decide(seen, nowMs), failure: failed, serving, nowMs })
  return { version: 1, program: { version: '', pid: 1, startTime: '' }, since: '', ...body }
}

/** What `holds` asserts, of every status. */
const always = (holds: (status: Status, seen: Observed, nowMs: number) => void): void => {
  fc.assert(
    fc.property(anySeen, anyFailure, anyFailure, fc.constantFrom(...edges), (seen, failed, servingFailed, nowMs) => {
      holds(statusFor(seen, failed, servingFailed, nowMs), seen, nowMs)
    }),
    { numRuns: 5000 },
  )
}

describe('statusOf, whatever is seen', () => {
  it('is healthy only with an identity in its place that has authenticated', () => {
    always(({ state, joined }, seen) => {
      if (state !== 'healthy') return
      assert.ok(joined && seen.authentication.kind === 'accepted' && !seen.isUntried)
    })
  })

  it('says that a node has joined only with a valid pair in its place, which the API server has not refused twice', () => {
    always(({ joined }, seen, nowMs) => {
      if (!joined) return
      assert.ok(isValid(standingOf(seen.identity, nowMs)) && seen.published && !seen.isUntried)
      assert.ok(seen.identity.kind === 'ours' && !seen.identity.isBehindLink)
      assert.ok(seen.authentication.kind !== 'refused' || !seen.authentication.isConfirmed)
    })
  })

  it('has for every state that is neither healthy nor waiting a problem, whose code is the exit status', () => {
    always((status) => {
      const { state, problem } = status
      if (state === 'healthy') assert.deepEqual([exitStatusOf(status), problem], [EXIT.ok, undefined])
      else if (state === 'waiting') assert.equal(exitStatusOf(status), EXIT.temporary)
      else assert.ok(problem !== undefined && exitStatusOf(status) !== EXIT.software, state)
    })
  })

  it('is waiting while a first serving certificate is on its way by itself', () => {
    const serving = { ...NOTHING_SEEN, ...NOTHING_ODD, names: { dnsNames: ['a'], ipAddresses: ['10.0.0.1'] } }
    const trust = { kind: 'verified', record } as const
    const seen: Observed = { ...NOTHING_SEEN, ...NOTHING_ODD, trust, identity: ours, published: true, serving }
    const status = statusFor(seen, undefined, undefined, NOW_MS)
    assert.deepEqual([status.state, status.joined, exitStatusOf(status)], ['waiting', true, EXIT.temporary])
  })

  it('has a sentence', () => {
    always(({ summary }) => {
      assert.match(summary, /^\S.*\S$/)
      assert.doesNotMatch(summary, /undefined|NaN|Infinity|\s$|: $/)
    })
  })
})
