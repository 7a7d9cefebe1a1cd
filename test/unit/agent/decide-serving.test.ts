import assert from 'node:assert/strict'
import { decide, decideServing, type Action } from '../../../src/agent/decide.ts'
import type { Observed, SeenServing } from '../../../src/agent/observed.ts'
import { REJOIN_BUDGET } from '../../../src/agent/rejoin.ts'
import {
  configurationWith,
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

const authority = newAuthority()
const rotateAtMs = NOW_MS + 18 * HOUR_MS
const clientPair = pairFrom(authority)
const names = { dnsNames: ['worker-1'], ipAddresses: ['10.0.0.21'] }
const servingPair = pairFrom(authority, { extendedKeyUsages: ['serverAuth'], ...names })
const spent = Array<number>(REJOIN_BUDGET).fill(NOW_MS)

const none: SeenServing = {
  identity: { kind: 'absent' },
  isUntried: false,
  hooks: undefined,
  failedHooks: undefined,
  pending: undefined,
  exposed: [],
  failedProtection: undefined,
  failedRestore: undefined,
  unprotected: [],
  outdated: undefined,
  request: undefined,
  refusal: undefined,
  lastRefusal: undefined,
  keysMadeAtMs: [],
  keysAssumedAtMs: [],
  leftOver: [],
  oddities: [],
  names,
}
const inForce: SeenServing = { ...none, identity: identityOf(servingPair, rotateAtMs) }
const pending = { ...none, pending: pendingFor(servingPair) }
const joined: Observed = {
  trust: { kind: 'verified', record: recordFor(configurationWith(), authority) },
  rediscoveryFailed: false,
  identity: identityOf(clientPair, rotateAtMs),
  published: true,
  hooks: undefined,
  pending: undefined,
  request: undefined,
  refusal: undefined,
  findings: [],
  violations: [],
  ...NOTHING_ODD,
}
const rest = (because: 'not-joined' | 'addresses-unknown' | 'refused', untilMs = Infinity): Action => ({
  kind: 'rest',
  untilMs,
  because,
})

const rows: [sentence: string, serving: SeenServing, nowMs: number, expected: Partial<Action>, seen?: Observed][] = [
  ['nothing before the node has joined', none, NOW_MS, rest('not-joined'), { ...joined, identity: { kind: 'absent' } }],
  [
    'what others may read of its keys protected, whatever the node is',
    { ...none, exposed: ['/a'] },
    NOW_MS,
    { kind: 'protect' },
    { ...joined, identity: { kind: 'absent' } },
  ],
  ['nothing once the node’s own certificate has lapsed', none, clientPair.certificate.notAfterMs, rest('not-joined')],
  ['nothing without an address', { ...none, names: { ...names, ipAddresses: [] } }, NOW_MS, rest('addresses-unknown')],
  ['a key, as the node itself', none, NOW_MS, { kind: 'make-key', as: 'node' }],
  ['the submission of what has a key', pending, NOW_MS, { kind: 'submit', as: 'node' }],
  [
    'a watch of what waits for approval',
    { ...pending, request: requestWith({ kind: 'pending' }) },
    NOW_MS,
    { kind: 'await-outcome', as: 'node' },
  ],
  ['rest until it is due', inForce, NOW_MS, { kind: 'rest', untilMs: rotateAtMs, because: 'fresh' }],
  ['a key when it is due', inForce, rotateAtMs, { kind: 'make-key', as: 'node' }],
  [
    'a key when it is due, also where the budget is spent',
    { ...inForce, keysMadeAtMs: spent.map(() => rotateAtMs) },
    rotateAtMs,
    { kind: 'make-key' },
  ],
  [
    'no key for a first one where the budget is spent',
    { ...none, keysMadeAtMs: spent },
    NOW_MS,
    { kind: 'rest', because: 'budget-spent' },
  ],
  [
    'what a refusal of the first one leaves',
    { ...none, refusal: refusalAt(NOW_MS) },
    NOW_MS + HOUR_MS,
    rest('refused'),
  ],
  [
    'another key a while after a refusal, where one is valid yet',
    { ...inForce, refusal: refusalAt(rotateAtMs) },
    rotateAtMs + HOUR_MS,
    { kind: 'make-key', as: 'node' },
  ],
  [
    'the pair put in its place',
    { ...none, identity: { ...identityOf(servingPair, rotateAtMs), misplaced: true } },
    NOW_MS,
    { kind: 'restore' },
  ],
]

describe('decideServing', () => {
  for (const [sentence, serving, nowMs, expected, seen = joined] of rows)
    it(`means ${sentence}`, () => {
      const action = decideServing(seen, serving, nowMs)
      assert.deepEqual({ ...action, ...expected }, action)
    })

  it('changes nothing of what is decided for the node’s own', () => {
    for (const [, serving, nowMs] of rows)
      assert.deepEqual(decide({ ...joined, serving }, nowMs), decide({ ...joined, serving: undefined }, nowMs))
  })
})
