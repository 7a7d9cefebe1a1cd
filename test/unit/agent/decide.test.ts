import assert from 'node:assert/strict'
import fc from 'fast-check'
import { refusedRenewalPauseMs } from '../../../src/agent/backoff.ts'
import { BUDGET_SPAN_MS, REJOIN_BUDGET } from '../../../src/agent/rejoin.ts'
import { decide, standingOf, type Action, type Standing } from '../../../src/agent/decide.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import type { Observed, SeenAuthentication, SeenIdentity } from '../../../src/agent/observed.ts'
import type { Outcome } from '../../../src/kube/certificate-signing-request.ts'
import {
  configurationWith,
  identityOf,
  NOTHING_ODD,
  HOUR_MS,
  newAuthority,
  NOW_MS,
  pairFrom,
  pendingFor,
  recordFor,
  refusalAt,
  requestWith,
} from './fixtures.ts'

const authority = newAuthority()
const record = recordFor(configurationWith(), authority)
const pair = pairFrom(authority)
const rotateAtMs = NOW_MS + 18 * HOUR_MS
const ours = identityOf(pair, rotateAtMs)
const kubelets: SeenIdentity = { ...ours, rotateAtMs: pair.certificate.notAfterMs, overdueAtMs: rotateAtMs }
const REFUSED_RENEWAL_PAUSE_MS = refusedRenewalPauseMs(1)

/** One value of each kind that a dimension can have. */
const dimensions = {
  trust: {
    unknown: { kind: 'unknown' },
    outdated: { kind: 'outdated', record },
    verified: { kind: 'verified', record },
  },
  rediscovery: { untried: false, failed: true },
  /** An identity, and a time at which it stands so. */
  standing: {
    absent: [{ kind: 'absent' }, NOW_MS],
    unusable: [{ kind: 'unusable' }, NOW_MS],
    'not-yet-valid': [ours, NOW_MS - 1],
    fresh: [ours, NOW_MS],
    due: [ours, rotateAtMs],
    expired: [ours, pair.certificate.notAfterMs],
  },
  place: { right: false, wrong: true },
  published: { yes: true, no: false },
  hooks: { none: undefined, due: { event: 'joined', certificate: pair.certificate.fingerprint, hooks: [], done: [] } },
  leftOver: { nothing: [], something: ['/var/lib/node-bootstrap/.node-bootstrap-new'] },
  mayJoin: { yes: true, no: false },
  budget: { left: REJOIN_BUDGET - 1, spent: REJOIN_BUDGET },
  pending: { yes: pendingFor(pair), no: undefined },
  outcome: {
    unheard: undefined,
    pending: { kind: 'pending' },
    approved: { kind: 'approved' },
    issued: { kind: 'issued', certificate: 'PEM' },
    denied: { kind: 'denied', reason: 'KubectlDeny', message: 'no' },
    failed: { kind: 'failed', reason: 'SignerValidationFailure', message: 'no' },
  },
  refusal: { none: 0, young: REFUSED_RENEWAL_PAUSE_MS - 1, old: REFUSED_RENEWAL_PAUSE_MS },
  policy: {
    kept: [],
    broken: [{ id: 'token-without-pin', seen: 'there is no pin' }],
    'broken after the join': [{ id: 'token-still-valid', seen: 'the token is accepted' }],
  },
} as const satisfies Record<string, Record<string, unknown>>

type Dimension = keyof typeof dimensions
type Case = { [D in Dimension]: keyof (typeof dimensions)[D] }
/** A dimension that is left out, or lists several, does not matter to the row. */
type When = { [D in Dimension]?: readonly (keyof (typeof dimensions)[D])[] }

interface Row {
  sentence: string
  when: When
  then: (nowMs: number) => Action
}

const lost = { trust: ['verified'], standing: ['absent', 'unusable', 'expired'] } as const
const withoutValid = { ...lost, mayJoin: ['yes'] } as const
const renewing = { trust: ['verified'], standing: ['due'], place: ['right'], published: ['yes'] } as const
/** The cluster of the old configuration goes on renewing where the new one cannot be discovered. */
const renewingAsBefore = { ...renewing, trust: ['outdated'], rediscovery: ['failed'] } as const
const asked = { refusal: ['none'], pending: ['yes'] } as const

const tableRows: readonly Row[] = [
  {
    sentence: 'a cluster that nobody verified is discovered before anything else',
    when: { trust: ['unknown'] },
    then: () => ({ kind: 'discover' }),
  },
  {
    sentence: 'a cluster that was verified under another configuration is discovered anew before anything else',
    when: { trust: ['outdated'], rediscovery: ['untried'] },
    then: () => ({ kind: 'discover' }),
  },
  {
    sentence: 'and again where that failed, as long as no renewal is due',
    when: {
      trust: ['outdated'],
      rediscovery: ['failed'],
      standing: ['absent', 'unusable', 'expired', 'not-yet-valid', 'fresh'],
    },
    then: () => ({ kind: 'discover' }),
  },
  {
    sentence: 'a certificate from the future means a wrong clock: nothing is asked for',
    when: { trust: ['verified'], standing: ['not-yet-valid'] },
    then: () => ({ kind: 'rest', untilMs: Infinity, because: 'not-yet-valid' }),
  },
  {
    sentence: 'a valid certificate that is not in its place is put there, even where it is due',
    when: { trust: ['verified'], standing: ['fresh', 'due'], place: ['wrong'] },
    then: () => ({ kind: 'restore' }),
  },
  {
    sentence: 'a due one is put in its place also by the cluster of before, where the new one cannot be discovered',
    when: { ...renewingAsBefore, place: ['wrong'], published: ['yes', 'no'] },
    then: () => ({ kind: 'restore' }),
  },
  {
    sentence: 'a valid certificate without its kubeconfig is published, even where it is due',
    when: { trust: ['verified'], standing: ['fresh', 'due'], place: ['right'], published: ['no'] },
    then: () => ({ kind: 'publish' }),
  },
  {
    sentence: 'a due one is published also by the cluster of before, where the new one cannot be discovered',
    when: { ...renewingAsBefore, published: ['no'] },
    then: () => ({ kind: 'publish' }),
  },
  {
    sentence: 'a fresh, published certificate whose hooks are due has them run',
    when: {
      trust: ['verified'],
      standing: ['fresh'],
      place: ['right'],
      published: ['yes'],
      leftOver: ['nothing'],
      hooks: ['due'],
    },
    then: () => ({ kind: 'run-hooks' }),
  },
  {
    sentence: 'a fresh, published certificate rests until it is due, whatever is left of an older request',
    when: {
      trust: ['verified'],
      standing: ['fresh'],
      place: ['right'],
      published: ['yes'],
      leftOver: ['nothing'],
      hooks: ['none'],
    },
    then: () => ({ kind: 'rest', untilMs: rotateAtMs, because: 'fresh' }),
  },
  {
    sentence: 'what a crash left over is removed before the rest',
    when: { trust: ['verified'], standing: ['fresh'], place: ['right'], published: ['yes'], leftOver: ['something'] },
    then: () => ({ kind: 'tidy' }),
  },
  {
    sentence: 'a node that had joined asks for nothing where recovery.rejoin is never',
    when: { ...lost, mayJoin: ['no'] },
    then: () => ({ kind: 'rest', untilMs: Infinity, because: 'rejoin-forbidden' }),
  },
  {
    sentence: 'the seventh key within an hour waits until the first of the six is an hour old',
    when: { ...withoutValid, refusal: ['none'], pending: ['no'], budget: ['spent'] },
    then: (nowMs) => ({ kind: 'rest', untilMs: nowMs - 60_000 + BUDGET_SPAN_MS, because: 'budget-spent' }),
  },
  {
    sentence: 'without a valid certificate a refusal stands until a person acts, however old it is',
    when: { ...withoutValid, refusal: ['young', 'old'] },
    then: () => ({ kind: 'rest', untilMs: Infinity, because: 'refused' }),
  },
  {
    sentence: 'without a valid certificate and a request, a key is made as the bootstrap user',
    when: { ...withoutValid, refusal: ['none'], pending: ['no'], budget: ['left'] },
    then: () => ({ kind: 'make-key', as: 'bootstrap', why: 'there is no request under way' }),
  },
  {
    sentence: 'a first request that the cluster has not confirmed is submitted as the bootstrap user',
    when: { ...withoutValid, ...asked, outcome: ['unheard'] },
    then: () => ({ kind: 'submit', as: 'bootstrap' }),
  },
  {
    sentence: 'a first request without an outcome is waited for as the bootstrap user',
    when: { ...withoutValid, ...asked, outcome: ['pending', 'approved'] },
    then: () => ({ kind: 'await-outcome', as: 'bootstrap' }),
  },
  {
    sentence: 'an issued first certificate is installed',
    when: { ...withoutValid, ...asked, outcome: ['issued'] },
    then: () => ({ kind: 'install' }),
  },
  {
    sentence: 'the refusal of a first request is recorded',
    when: { ...withoutValid, ...asked, outcome: ['denied', 'failed'] },
    then: () => ({ kind: 'record-refusal' }),
  },
  {
    sentence: 'a renewal that was refused is left alone until the pause after it is over',
    when: { ...renewing, refusal: ['young'] },
    then: (nowMs) => ({ kind: 'rest', untilMs: nowMs + 1, because: 'refused' }),
  },
  {
    sentence: 'a renewal whose refusal is that old is tried again with a new key',
    when: { ...renewing, refusal: ['old'] },
    then: () => ({ kind: 'make-key', as: 'node', why: 'the last renewal was refused, and the pause after it is over' }),
  },
  {
    sentence: 'a certificate that is due gets a new key, as the node itself',
    when: { ...renewing, refusal: ['none'], pending: ['no'] },
    then: () => ({ kind: 'make-key', as: 'node', why: 'the renewal is due' }),
  },
  {
    sentence: 'a renewal that the cluster has not confirmed is submitted as the node itself',
    when: { ...renewing, ...asked, outcome: ['unheard'] },
    then: () => ({ kind: 'submit', as: 'node' }),
  },
  {
    sentence: 'a renewal without an outcome is waited for as the node itself',
    when: { ...renewing, ...asked, outcome: ['pending', 'approved'] },
    then: () => ({ kind: 'await-outcome', as: 'node' }),
  },
  {
    sentence: 'an issued renewal is installed',
    when: { ...renewing, ...asked, outcome: ['issued'] },
    then: () => ({ kind: 'install' }),
  },
  {
    sentence: 'the refusal of a renewal is recorded',
    when: { ...renewing, ...asked, outcome: ['denied', 'failed'] },
    then: () => ({ kind: 'record-refusal' }),
  },
]

const without: readonly string[] = withoutValid.standing
const isOfAValidCertificate = ({ when }: Row): boolean =>
  when.trust?.join() === 'verified' && when.standing?.some((standing) => without.includes(standing)) === false

const policyRows: readonly Row[] = [
  {
    sentence: 'what policy forbids keeps a cluster from being looked for at all',
    when: { policy: ['broken'], trust: ['unknown'] },
    then: () => ({ kind: 'rest', untilMs: Infinity, because: 'policy' }),
  },
  {
    sentence: 'what policy forbids keeps a machine without a valid certificate from becoming a node',
    when: { policy: ['broken'], trust: ['outdated', 'verified'], standing: withoutValid.standing },
    then: () => ({ kind: 'rest', untilMs: Infinity, because: 'policy' }),
  },
  ...tableRows.filter(isOfAValidCertificate).map(({ sentence, when, then }): Row => ({
    sentence: `${sentence}; also against policy, and then by the cluster of before`,
    when: { ...when, policy: ['broken'], trust: ['outdated', 'verified'] },
    then,
  })),
]

/** Each row of a renewal holds by the cluster of before as well. */
const rows: readonly Row[] = [
  ...policyRows,
  ...[
    ...tableRows,
    ...tableRows
      .filter(({ when }) => when.trust === renewing.trust)
      .map(({ sentence, when, then }) => ({
        sentence: `${sentence}; also by the cluster of before, where the new one cannot be discovered`,
        when: { ...when, trust: renewingAsBefore.trust, rediscovery: renewingAsBefore.rediscovery },
        then,
      })),
  ].map(({ when, ...row }): Row => ({ ...row, when: { ...when, policy: ['kept', 'broken after the join'] } })),
]

function product(): Case[] {
  const names = Object.keys(dimensions) as Dimension[]
  return names.reduce<Record<string, string>[]>(
    (cases, name) =>
      cases.flatMap((each) => Object.keys(dimensions[name]).map((value) => ({ ...each, [name]: value }))),
    [{}],
  ) as Case[]
}

/** Taken apart once: it is asked of every row and every case, millions of times. */
const partsOf = (when: When) => Object.entries(when) as [Dimension, readonly string[]][]

const applies = (parts: ReturnType<typeof partsOf>, each: Case): boolean => {
  for (const [name, values] of parts) if (!values.includes(each[name])) return false
  return true
}

function seenIn(each: Case): { seen: Observed; nowMs: number } {
  const [identity, nowMs] = dimensions.standing[each.standing]
  const outcome = dimensions.outcome[each.outcome]
  return {
    nowMs,
    seen: {
      trust: dimensions.trust[each.trust],
      rediscoveryFailed: dimensions.rediscovery[each.rediscovery],
      identity: identity.kind === 'ours' ? { ...identity, misplaced: dimensions.place[each.place] } : identity,
      ...NOTHING_ODD,
      leftOver: dimensions.leftOver[each.leftOver],
      mayJoin: dimensions.mayJoin[each.mayJoin],
      keysMadeAtMs: Array.from({ length: dimensions.budget[each.budget] }, () => nowMs - 60_000),
      published: dimensions.published[each.published],
      hooks: dimensions.hooks[each.hooks],
      pending: dimensions.pending[each.pending],
      request: outcome === undefined ? undefined : requestWith(outcome),
      refusal: each.refusal === 'none' ? undefined : refusalAt(nowMs - dimensions.refusal[each.refusal]),
      findings: dimensions.policy[each.policy],
      violations: dimensions.policy[each.policy],
    },
  }
}

const fresh: Case = {
  trust: 'verified',
  rediscovery: 'untried',
  standing: 'fresh',
  place: 'right',
  published: 'yes',
  leftOver: 'nothing',
  hooks: 'none',
  mayJoin: 'yes',
  budget: 'left',
  pending: 'no',
  outcome: 'unheard',
  refusal: 'none',
  policy: 'kept',
}

describe('decide: the table', () => {
  const cases = product()

  it('has exactly one row for each of everything that can be seen', () => {
    assert.equal(cases.length, 3 * 2 * 6 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 6 * 3 * 3)
    const taken = rows.map(({ sentence, when }) => ({ sentence, parts: partsOf(when) }))
    for (const each of cases) {
      const matching = taken.filter(({ parts }) => applies(parts, each)).map(({ sentence }) => sentence)
      assert.equal(matching.length, 1, `${JSON.stringify(each)}: ${matching.join(' / ')}`)
    }
  })

  for (const { sentence, when, then } of rows)
    it(sentence, () => {
      const parts = partsOf(when)
      const matching = cases.filter((each) => applies(parts, each))
      assert.notEqual(matching.length, 0)
      for (const each of matching) {
        const { seen, nowMs } = seenIn(each)
        assert.deepEqual(decide(seen, nowMs), then(nowMs), JSON.stringify(each))
      }
    })
})

describe('decide: a record that does not say that the node has joined', () => {
  const trust = { kind: 'verified', record: { ...record, hasJoined: false } } as const
  const decideAt = (standing: keyof (typeof dimensions)['standing'], changes: Partial<Observed> = {}): Action => {
    const { seen, nowMs } = seenIn({ ...fresh, standing })
    return decide({ ...seen, trust, ...changes }, nowMs)
  }

  it('is published with a valid certificate, though its files are as they should be', () => {
    assert.deepEqual([decideAt('fresh'), decideAt('due')], [{ kind: 'publish' }, { kind: 'publish' }])
  })

  it('is left as it is where there is no valid certificate', () => {
    for (const standing of ['absent', 'expired', 'not-yet-valid'] as const)
      assert.notEqual(decideAt(standing).kind, 'publish', standing)
  })
})

describe('decide: a request that is not what is wanted any more', () => {
  const why = 'the request before is closed, and was not what is wanted'
  const another: Action = { kind: 'make-key', as: 'node', why }
  const ends: readonly [outcome: keyof (typeof dimensions)['outcome'], serves: Action, useless: Action][] = [
    ['unheard', { kind: 'look-up', as: 'node' }, { kind: 'look-up', as: 'node' }],
    ['pending', { kind: 'await-outcome', as: 'node' }, { kind: 'await-outcome', as: 'node' }],
    ['approved', { kind: 'await-outcome', as: 'node' }, { kind: 'await-outcome', as: 'node' }],
    ['issued', { kind: 'install' }, another],
    ['denied', another, another],
    ['failed', another, another],
  ]
  const decideWith = (outcome: (typeof ends)[number][0], isUseless: boolean, changes: Partial<Case> = {}): Action => {
    const { seen, nowMs } = seenIn({ ...fresh, standing: 'due', pending: 'yes', outcome, ...changes })
    return decide({ ...seen, outdated: { isUseless, why: 'it is another' } }, nowMs)
  }

  for (const [outcome, serves, useless] of ends)
    it(`has no other beside it, and its end as ${outcome} leads on`, () => {
      assert.deepEqual([decideWith(outcome, false), decideWith(outcome, true)], [serves, useless])
    })

  it('makes room for no more keys with the bootstrap credential than the budget allows', () => {
    const action = decideWith('denied', false, { standing: 'expired', budget: 'spent' })
    assert.deepEqual([action.kind, 'because' in action && action.because], ['rest', 'budget-spent'])
  })
})

describe('decide: where the kubelet renews', () => {
  const [verified, nowMs] = [{ kind: 'verified', record } as const, NOW_MS]
  const seen: Observed = { ...seenIn({ ...fresh, standing: 'fresh' }).seen, trust: verified, identity: kubelets }
  const { notAfterMs } = pair.certificate

  it('rests until the kubelet should have done so', () => {
    assert.deepEqual(decide(seen, nowMs), { kind: 'rest', untilMs: rotateAtMs, because: 'fresh' })
  })

  it('warns from then on, and asks for nothing while the certificate is valid', () => {
    for (const ms of [rotateAtMs, notAfterMs - 1])
      assert.deepEqual(decide(seen, ms), { kind: 'rest', untilMs: notAfterMs, because: 'renewal-overdue' })
  })

  it('takes part again when it has lapsed', () => {
    assert.deepEqual(decide({ ...seen, pending: undefined }, notAfterMs).kind, 'make-key')
  })
})

describe('standingOf: an identity in time', () => {
  const { notBeforeMs, notAfterMs } = pair.certificate
  const moments: [string, number, Standing][] = [
    ['is not yet valid a millisecond before notBefore', notBeforeMs - 1, 'not-yet-valid'],
    ['is fresh from notBefore on', notBeforeMs, 'fresh'],
    ['is fresh a millisecond before its rotation', rotateAtMs - 1, 'fresh'],
    ['is due from its rotation on', rotateAtMs, 'due'],
    ['is due a millisecond before notAfter', notAfterMs - 1, 'due'],
    ['is expired from notAfter on', notAfterMs, 'expired'],
  ]
  for (const [sentence, nowMs, standing] of moments)
    it(sentence, () => {
      assert.equal(standingOf(ours, nowMs), standing)
    })

  it('is none for what is absent or unusable', () => {
    assert.equal(standingOf({ kind: 'absent' }, NOW_MS), 'none')
    assert.equal(standingOf({ kind: 'unusable' }, NOW_MS), 'none')
  })
})

describe('decide: for any facts and any time', () => {
  const anyMs = fc.oneof(
    fc.integer({ min: NOW_MS - 2 * REFUSED_RENEWAL_PAUSE_MS, max: pair.certificate.notAfterMs + HOUR_MS }),
    fc.constantFrom(pair.certificate.notBeforeMs, pair.certificate.notAfterMs, rotateAtMs, 0, -1, Infinity, -Infinity),
    fc.double({ noNaN: true }),
  )
  const anyOutcome = fc.constantFrom<Outcome | undefined>(...Object.values(dimensions.outcome))
  const anyFailure = fc.option(
    anyMs.map((nextAttemptMs) => ({ error: new BootstrapError('timed-out', ''), count: 1, nextAttemptMs })),
    { nil: undefined },
  )
  const anySeen: fc.Arbitrary<Observed> = fc.record({
    trust: fc.constantFrom(...Object.values(dimensions.trust)),
    rediscoveryFailed: fc.boolean(),
    identity: fc.oneof(
      fc.constantFrom<SeenIdentity>({ kind: 'absent' }, { kind: 'unusable' }),
      fc
        .tuple(anyMs, anyMs, fc.boolean(), fc.boolean())
        .map(([rotateAtMs, overdueAtMs, misplaced, isRefused]): SeenIdentity => ({
          ...ours,
          rotateAtMs,
          overdueAtMs,
          misplaced,
          isRefused,
        })),
    ),
    isUntried: fc.boolean(),
    published: fc.boolean(),
    hooks: fc.constantFrom(...Object.values(dimensions.hooks)),
    pending: fc.constantFrom(undefined, pendingFor(pair)),
    exposed: fc.constantFrom([], ['/a']),
    unprotected: fc.constantFrom([], [{ path: '/b', holds: 'key' as const }]),
    outdated: fc.constantFrom(undefined, { isUseless: false, why: '' }, { isUseless: true, why: '' }),
    request: anyOutcome.map((outcome) => (outcome === undefined ? undefined : requestWith(outcome))),
    refusal: fc.option(
      anyMs.map((ms) => refusalAt(ms)),
      { nil: undefined },
    ),
    lastRefusal: fc.constant(undefined),
    findings: fc.constant([]),
    violations: fc.constantFrom(...Object.values(dimensions.policy)),
    hasJoined: fc.boolean(),
    mayJoin: fc.boolean(),
    keysMadeAtMs: fc.array(anyMs, { maxLength: 10 }),
    keysAssumedAtMs: fc.array(anyMs, { maxLength: 10 }),
    leftOver: fc.constantFrom([], ['/a']),
    oddities: fc.constant([]),
    failedHooks: anyFailure,
    failedProtection: anyFailure,
    failedRestore: anyFailure,
    failedPublish: anyFailure,
    publicationFault: fc.constant(undefined),
    authentication: fc.constantFrom<SeenAuthentication>({ kind: 'unasked' }, { kind: 'accepted', atMs: NOW_MS }),
    bundle: fc.constant(undefined),
    nextRecheckMs: fc.option(anyMs, { nil: undefined }),
    failedRecheck: anyFailure,
    serving: fc.constant(undefined),
  })
  const kinds = [
    'discover',
    'restore',
    'publish',
    'tidy',
    'run-hooks',
    'recheck',
    'make-key',
    'look-up',
    'protect',
    'submit',
    'await-outcome',
    'record-refusal',
    'install',
    'rest',
  ]

  it('is total, and asks as the node only with a certificate that is valid now', () => {
    fc.assert(
      fc.property(anySeen, anyMs, (seen, nowMs) => {
        const action = decide(seen, nowMs)
        assert.ok(kinds.includes(action.kind))
        if (!('as' in action) || action.as !== 'node') return
        assert.ok(seen.identity.kind === 'ours')
        const { notBeforeMs, notAfterMs } = seen.identity.pair.certificate
        assert.ok(notBeforeMs <= nowMs && nowMs < notAfterMs)
      }),
      { numRuns: 5000 },
    )
  })

  it('protects what others may read of its keys before anything else', () => {
    fc.assert(
      fc.property(anySeen, anyMs, (seen, nowMs) => {
        const isPutOff = (seen.failedProtection?.nextAttemptMs ?? nowMs) > nowMs
        assert.equal(decide(seen, nowMs).kind === 'protect', seen.exposed.length > 0 && !isPutOff)
      }),
    )
  })

  it('never asks for a certificate while a refusal stands and there is none that is valid', () => {
    fc.assert(
      fc.property(anySeen, anyMs, (seen, nowMs) => {
        const standing = standingOf(seen.identity, nowMs)
        if (seen.refusal === undefined || standing === 'due') return
        assert.ok(!['make-key', 'submit', 'await-outcome', 'install'].includes(decide(seen, nowMs).kind))
      }),
      { numRuns: 5000 },
    )
  })

  it('never builds on a certificate that the API server has not accepted', () => {
    fc.assert(
      fc.property(anySeen, anyMs, (seen, nowMs) => {
        const action = decide({ ...seen, isUntried: true }, nowMs)
        assert.ok(action.kind !== 'run-hooks' && action.kind !== 'tidy')
        assert.ok(action.kind !== 'rest' || action.because !== 'fresh')
        assert.ok(!('as' in action) || action.as === 'bootstrap')
      }),
      { numRuns: 5000 },
    )
  })

  it('never discovers, nor asks for a first certificate, against policy', () => {
    fc.assert(
      fc.property(anySeen, anyMs, (seen, nowMs) => {
        const action = decide({ ...seen, violations: dimensions.policy.broken }, nowMs)
        assert.notEqual(action.kind, 'discover')
        assert.ok(!('as' in action) || action.as === 'node')
      }),
      { numRuns: 5000 },
    )
  })

  it('never rests into the past', () => {
    fc.assert(
      fc.property(anySeen, anyMs, (seen, nowMs) => {
        const action = decide(seen, nowMs)
        if (action.kind === 'rest') assert.ok(action.untilMs > nowMs || action.untilMs === Infinity)
      }),
      { numRuns: 5000 },
    )
  })
})
