import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decide, REFUSED_RENEWAL_PAUSE_MS, standingOf, type Action, type Standing } from '../../../src/agent/decide.ts'
import type { Observed, SeenIdentity } from '../../../src/agent/observed.ts'
import type { Outcome } from '../../../src/kube/certificate-signing-request.ts'
import {
  configurationWith,
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
const ours: SeenIdentity = { kind: 'ours', pair, rotateAtMs }

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
    unusable: [{ kind: 'unusable', problem: 'is a link to nothing' }, NOW_MS],
    'not-yet-valid': [ours, NOW_MS - 1],
    fresh: [ours, NOW_MS],
    due: [ours, rotateAtMs],
    expired: [ours, pair.certificate.notAfterMs],
  },
  published: { yes: true, no: false },
  hooks: { none: undefined, due: { event: 'joined', certificate: pair.certificate.fingerprint, hooks: [], done: [] } },
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

const withoutValid = { trust: ['verified'], standing: ['absent', 'unusable', 'expired'] } as const
const renewing = { trust: ['verified'], standing: ['due'], published: ['yes'] } as const
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
    sentence: 'a valid certificate without its kubeconfig is published, even where it is due',
    when: { trust: ['verified'], standing: ['fresh', 'due'], published: ['no'] },
    then: () => ({ kind: 'publish' }),
  },
  {
    sentence: 'a due one is published also by the cluster of before, where the new one cannot be discovered',
    when: { ...renewingAsBefore, published: ['no'] },
    then: () => ({ kind: 'publish' }),
  },
  {
    sentence: 'a fresh, published certificate whose hooks are due has them run',
    when: { trust: ['verified'], standing: ['fresh'], published: ['yes'], hooks: ['due'] },
    then: () => ({ kind: 'run-hooks' }),
  },
  {
    sentence: 'a fresh, published certificate rests until it is due, whatever is left of an older request',
    when: { trust: ['verified'], standing: ['fresh'], published: ['yes'], hooks: ['none'] },
    then: () => ({ kind: 'rest', untilMs: rotateAtMs, because: 'fresh' }),
  },
  {
    sentence: 'without a valid certificate a refusal stands until a person acts, however old it is',
    when: { ...withoutValid, refusal: ['young', 'old'] },
    then: () => ({ kind: 'rest', untilMs: Infinity, because: 'refused' }),
  },
  {
    sentence: 'without a valid certificate and a request, a key is made as the bootstrap user',
    when: { ...withoutValid, refusal: ['none'], pending: ['no'] },
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
    sentence: 'a renewal that was refused less than an hour ago is left alone until the hour is over',
    when: { ...renewing, refusal: ['young'] },
    then: (nowMs) => ({ kind: 'rest', untilMs: nowMs + 1, because: 'refused' }),
  },
  {
    sentence: 'a renewal that was refused an hour ago is tried again with a new key',
    when: { ...renewing, refusal: ['old'] },
    then: () => ({ kind: 'make-key', as: 'node', why: 'the refusal of the last renewal is an hour old' }),
  },
  {
    sentence: 'a certificate that is due gets a new key, as the node itself',
    when: { ...renewing, refusal: ['none'], pending: ['no'] },
    then: () => ({ kind: 'make-key', as: 'node', why: 'there is no request under way' }),
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

const applies = (when: When, each: Case): boolean =>
  (Object.entries(when) as [Dimension, readonly string[]][]).every(([name, values]) => values.includes(each[name]))

function seenIn(each: Case): { seen: Observed; nowMs: number } {
  const [identity, nowMs] = dimensions.standing[each.standing]
  const outcome = dimensions.outcome[each.outcome]
  return {
    nowMs,
    seen: {
      trust: dimensions.trust[each.trust],
      rediscoveryFailed: dimensions.rediscovery[each.rediscovery],
      identity,
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

describe('decide: the table', () => {
  const cases = product()

  it('has exactly one row for each of everything that can be seen', () => {
    assert.equal(cases.length, 3 * 2 * 6 * 2 * 2 * 2 * 6 * 3 * 3)
    for (const each of cases) {
      const matching = rows.filter(({ when }) => applies(when, each)).map(({ sentence }) => sentence)
      assert.equal(matching.length, 1, `${JSON.stringify(each)}: ${matching.join(' / ')}`)
    }
  })

  for (const { sentence, when, then } of rows)
    it(sentence, () => {
      const matching = cases.filter((each) => applies(when, each))
      assert.notEqual(matching.length, 0)
      for (const each of matching) {
        const { seen, nowMs } = seenIn(each)
        assert.deepEqual(decide(seen, nowMs), then(nowMs), JSON.stringify(each))
      }
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
    assert.equal(standingOf({ kind: 'unusable', problem: 'is broken' }, NOW_MS), 'none')
  })
})

describe('decide: for any facts and any time', () => {
  const anyMs = fc.oneof(
    fc.integer({ min: NOW_MS - 2 * REFUSED_RENEWAL_PAUSE_MS, max: pair.certificate.notAfterMs + HOUR_MS }),
    fc.constantFrom(pair.certificate.notBeforeMs, pair.certificate.notAfterMs, rotateAtMs, 0, -1, Infinity, -Infinity),
    fc.double({ noNaN: true }),
  )
  const anyOutcome = fc.constantFrom<Outcome | undefined>(...Object.values(dimensions.outcome))
  const anySeen: fc.Arbitrary<Observed> = fc.record({
    trust: fc.constantFrom(...Object.values(dimensions.trust)),
    rediscoveryFailed: fc.boolean(),
    identity: fc.oneof(
      fc.constantFrom<SeenIdentity>({ kind: 'absent' }, { kind: 'unusable', problem: 'is broken' }),
      anyMs.map((ms): SeenIdentity => ({ kind: 'ours', pair, rotateAtMs: ms })),
    ),
    published: fc.boolean(),
    hooks: fc.constantFrom(...Object.values(dimensions.hooks)),
    pending: fc.constantFrom(undefined, pendingFor(pair)),
    request: anyOutcome.map((outcome) => (outcome === undefined ? undefined : requestWith(outcome))),
    refusal: fc.option(
      anyMs.map((ms) => refusalAt(ms)),
      { nil: undefined },
    ),
    findings: fc.constant([]),
    violations: fc.constantFrom(...Object.values(dimensions.policy)),
  })
  const kinds = [
    'discover',
    'publish',
    'run-hooks',
    'make-key',
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
