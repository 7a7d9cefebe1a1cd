import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { NOTHING_SEEN } from '../../../src/agent/beginning.ts'
import type { Action } from '../../../src/agent/decide.ts'
import type { Observed } from '../../../src/agent/observed.ts'
import type { StatusInput } from '../../../src/agent/status-problem.ts'
import { statusOf, STEPS, type StatusBody } from '../../../src/agent/status.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { timestamp } from '../../../src/lib/timestamp.ts'
import { keyFingerprint, privateKeyToPem, subjectPublicKeyInfo } from '../../../src/pki/private-key.ts'
import {
  configurationWith,
  DAY_MS,
  HOUR_MS,
  MINUTE_MS,
  newAuthority,
  NOW_MS,
  pairFrom,
  pendingFor,
  recordFor,
  refusalAt,
  requestWith,
  TOKEN_SECRET,
  NOTHING_ODD,
  identityOf,
} from './fixtures.ts'

const configuration = configurationWith()
const authority = newAuthority()
const record = recordFor(configuration, authority)
const pair = pairFrom(authority)
const pending = pendingFor(pair)
const rotateAtMs = NOW_MS + 18 * HOUR_MS

const nothing: Observed = { ...NOTHING_SEEN, ...NOTHING_ODD }
const verified: Observed = { ...nothing, trust: { kind: 'verified', record } }
const waiting: Observed = { ...verified, pending, request: requestWith({ kind: 'pending' }, pending.name) }
const joined: Observed = { ...verified, identity: identityOf(pair, rotateAtMs), published: true }

const statusFor = (seen: Observed, action: Action, rest: Partial<StatusInput> = {}): StatusBody =>
  statusOf({ configuration, seen, action, failure: undefined, serving: undefined, nowMs: NOW_MS, ...rest })

const failureOf = (error: BootstrapError, transient = true): NonNullable<StatusInput['failure']> => ({
  error,
  transient,
  nextAttemptMs: NOW_MS + MINUTE_MS,
})
const unreachable = failureOf(new BootstrapError('unreachable', '10.0.0.10:6443 refused the connection'))
const problem = {
  kind: 'client',
  code: 'unreachable',
  message: '10.0.0.10:6443 refused the connection',
  hint: 'there is no way to that address: check it, and the routes and the firewall of this machine',
  nextAttemptAt: '2026-11-23T12:01:00.000Z',
}

const clusterDocument = {
  server: 'https://10.0.0.10:6443',
  caCertHashes: [authority.caCertHash],
  verifiedAt: '2026-11-23T11:00:00.000Z',
  evidence: { method: 'token', source: '10.0.0.10:6443', verified: ['it was verified'] },
}
const certificateDocument = {
  subject: 'O=system:nodes, CN=system:node:worker-1',
  serialNumber: pair.certificate.serialNumber,
  fingerprint: `SHA256:${pair.certificate.fingerprint}`,
  notBefore: '2026-11-23T12:00:00.000Z',
  notAfter: '2026-11-24T12:00:00.000Z',
  renewAt: '2026-11-24T06:00:00.000Z',
  installedAt: '2026-11-23T12:00:00.000Z',
}
const requestDocument = {
  name: pending.name,
  fingerprint: keyFingerprint(subjectPublicKeyInfo(pair.key)),
  createdAt: '2026-11-23T11:59:00.000Z',
  approve: `kubectl certificate approve ${pending.name}`,
}

describe('statusOf: golden documents', () => {
  it('a node that looks for its cluster', () => {
    assert.deepEqual(statusFor(nothing, { kind: 'discover' }), {
      node: 'worker-1',
      findings: [],
      state: 'waiting',
      joined: false,
      summary: 'looking for the cluster',
      step: 'cluster',
    })
  })

  it('a node that cannot reach its cluster, and when it tries again', () => {
    assert.deepEqual(statusFor(nothing, { kind: 'discover' }, { failure: unreachable }), {
      node: 'worker-1',
      findings: [],
      state: 'waiting',
      joined: false,
      summary: '10.0.0.10:6443 refused the connection',
      step: 'cluster',
      problem,
    })
  })

  it('a node that waits for approval, with the line that approves it', () => {
    assert.deepEqual(statusFor(waiting, { kind: 'await-outcome', as: 'bootstrap' }), {
      node: 'worker-1',
      findings: [],
      state: 'waiting',
      joined: false,
      summary: `waiting for approval: kubectl certificate approve ${pending.name}`,
      step: 'approval',
      cluster: clusterDocument,
      request: requestDocument,
    })
  })

  it('a node whose request was denied', () => {
    const refused = { ...verified, refusal: refusalAt(NOW_MS) }
    const message = 'node-csr-example was denied: KubectlDeny: not this machine'
    assert.deepEqual(statusFor(refused, { kind: 'rest', untilMs: Infinity, because: 'refused' }), {
      node: 'worker-1',
      findings: [],
      state: 'failed',
      joined: false,
      summary: message,
      cluster: clusterDocument,
      problem: {
        kind: 'client',
        code: 'csr-denied',
        message,
        hint: 'ask who denied it; then systemctl reload node-bootstrap, or SIGHUP, files a new request with a new key',
      },
    })
  })

  it('a node that has joined', () => {
    assert.deepEqual(statusFor(joined, { kind: 'rest', untilMs: rotateAtMs, because: 'fresh' }), {
      node: 'worker-1',
      findings: [],
      state: 'healthy',
      joined: true,
      summary: 'joined; the certificate is renewed at 2026-11-24T06:00:00.000Z',
      cluster: clusterDocument,
      certificate: certificateDocument,
      authentication: { acceptedAt: '2026-11-23T12:00:00.000Z' },
    })
  })

  it('a node that renews while its certificate is good', () => {
    assert.deepEqual(statusFor({ ...joined, pending }, { kind: 'submit', as: 'node' }, { nowMs: rotateAtMs }), {
      node: 'worker-1',
      findings: [],
      state: 'healthy',
      joined: true,
      summary: 'submitting the certificate request',
      step: 'request',
      cluster: clusterDocument,
      request: {
        name: requestDocument.name,
        fingerprint: requestDocument.fingerprint,
        approve: requestDocument.approve,
      },
      certificate: certificateDocument,
      authentication: { acceptedAt: '2026-11-23T12:00:00.000Z' },
    })
  })

  it('a node whose renewal waits for approval while its certificate is good', () => {
    const { name } = pending
    const renewing = { ...joined, pending, request: requestWith({ kind: 'pending' }, name) }
    const action: Action = { kind: 'await-outcome', as: 'node' }
    const { state, summary } = statusFor(renewing, action, { nowMs: rotateAtMs })
    assert.equal(state, 'healthy')
    assert.equal(summary, `joined; the renewal waits for approval: kubectl certificate approve ${name}`)
    const outdated = { isUseless: false, why: 'it asks for less' }
    assert.equal(
      statusFor({ ...renewing, outdated }, action, { nowMs: rotateAtMs }).summary,
      `joined; the renewal waits for the end of ${name}, for it asks for less: kubectl certificate deny ${name}`,
    )
  })

  it('a node whose renewal fails while its certificate is good', () => {
    const action: Action = { kind: 'make-key', as: 'node', why: 'due' }
    assert.deepEqual(statusFor(joined, action, { nowMs: rotateAtMs, failure: unreachable }), {
      node: 'worker-1',
      findings: [],
      state: 'degraded',
      joined: true,
      summary: '10.0.0.10:6443 refused the connection',
      step: 'key',
      cluster: clusterDocument,
      certificate: certificateDocument,
      authentication: { acceptedAt: '2026-11-23T12:00:00.000Z' },
      problem,
    })
  })
})

describe('statusOf: the state', () => {
  const rest = (because: 'fresh' | 'refused' | 'not-yet-valid'): Action => ({
    kind: 'rest',
    untilMs: Infinity,
    because,
  })
  const refusal = refusalAt(NOW_MS)
  const rows: [string, Observed, Action, Partial<StatusInput>, StatusBody['state']][] = [
    [
      'a failure that only a person can mend is one',
      nothing,
      { kind: 'discover' },
      { failure: failureOf(new BootstrapError('pin-mismatch', 'no'), false) },
      'failed',
    ],
    [
      'a valid certificate without its kubeconfig is on its way',
      { ...joined, published: false },
      { kind: 'publish' },
      {},
      'waiting',
    ],
    [
      'a refused renewal leaves the node degraded',
      { ...joined, refusal },
      rest('refused'),
      { nowMs: rotateAtMs },
      'degraded',
    ],
    [
      'a refused renewal leaves the node failed once the certificate has expired',
      { ...joined, refusal },
      rest('refused'),
      { nowMs: NOW_MS + DAY_MS },
      'failed',
    ],
    [
      'an expired certificate is on its way back',
      joined,
      { kind: 'make-key', as: 'bootstrap', why: 'none' },
      { nowMs: NOW_MS + DAY_MS },
      'waiting',
    ],
    [
      'a certificate from the future waits for the clock',
      joined,
      rest('not-yet-valid'),
      { nowMs: NOW_MS - 1 },
      'waiting',
    ],
  ]
  for (const [sentence, seen, action, input, state] of rows)
    it(sentence, () => {
      assert.equal(statusFor(seen, action, input).state, state)
    })

  it('names the step of every action, and each is one of the way', () => {
    const actions: Action[] = [
      { kind: 'discover' },
      { kind: 'make-key', as: 'bootstrap', why: '' },
      { kind: 'submit', as: 'bootstrap' },
      { kind: 'await-outcome', as: 'bootstrap' },
      { kind: 'install' },
      { kind: 'publish' },
    ]
    assert.deepEqual(
      actions.map((action) => statusFor(waiting, action).step),
      STEPS,
    )
    assert.equal(statusFor(waiting, { kind: 'record-refusal' }).step, 'approval')
  })

  it('says of an approved request that it may lack a signer', () => {
    const seen = { ...waiting, request: requestWith({ kind: 'approved' }, 'node-csr-x') }
    const { summary } = statusFor(seen, { kind: 'await-outcome', as: 'bootstrap' })
    assert.match(
      summary,
      /^node-csr-x is approved, but not signed yet; without a signer for kubernetes.io\/kube-apiserver/,
    )
  })

  it('asks whether the clock is right where the certificate lies in the future', () => {
    assert.match(statusFor(joined, rest('not-yet-valid'), { nowMs: NOW_MS - 1 }).summary, /is the clock right\?/)
  })
})

describe('statusOf: whether the node has joined', () => {
  const rest: Action = { kind: 'rest', untilMs: rotateAtMs, because: 'fresh' }
  const again: Action = { kind: 'make-key', as: 'bootstrap', why: 'none' }
  const needsCredential = failureOf(new BootstrapError('rejoin-needs-credential', 'a credential is missing'))
  const refused = (isConfirmed: boolean): Observed => ({
    ...joined,
    authentication: { kind: 'refused', sinceMs: NOW_MS, error: unreachable.error, isConfirmed },
  })
  const expired = { nowMs: NOW_MS + DAY_MS, failure: needsCredential }
  const rows: [string, Observed, Action, Partial<StatusInput>, [StatusBody['state'], boolean]][] = [
    ['has, with all in place', joined, rest, {}, ['healthy', true]],
    ['has, while the renewal fails', joined, rest, { failure: unreachable }, ['degraded', true]],
    [
      'has, while the API server is asked again after a start',
      { ...joined, authentication: { kind: 'unasked' } },
      { kind: 'recheck' },
      {},
      ['waiting', true],
    ],
    ['has not, before its first certificate is tried out', { ...joined, isUntried: true }, rest, {}, ['failed', false]],
    ['has not, without a kubeconfig', { ...joined, published: false }, { kind: 'publish' }, {}, ['waiting', false]],
    ['has, after a single refusal of the API server', refused(false), rest, {}, ['degraded', true]],
    ['is none any more as soon as that is confirmed', refused(true), rest, {}, ['degraded', false]],
    ['is none any more, with a pair that has expired', joined, again, expired, ['degraded', false]],
    ['is none any more, with a pair that is lost', verified, again, { failure: needsCredential }, ['degraded', false]],
    [
      'is none any more, with a pair that has expired and no more keys to make',
      joined,
      { kind: 'rest', untilMs: NOW_MS + 2 * DAY_MS, because: 'budget-spent' },
      { nowMs: NOW_MS + DAY_MS },
      ['waiting', false],
    ],
  ]
  for (const [sentence, seen, action, input, expected] of rows)
    it(`the node ${sentence}`, () => {
      const { state, joined: hasJoined } = statusFor(seen, action, input)
      assert.deepEqual([state, hasJoined], expected)
    })
})

describe('statusOf: the next attempt', () => {
  const refused = { ...joined, refusal: refusalAt(NOW_MS) }
  const nextAttempt = (seen: Observed, action: Action): string | undefined =>
    statusFor(seen, action, { nowMs: rotateAtMs }).problem?.nextAttemptAt

  it('after a refused renewal is the end of the pause', () => {
    const action: Action = { kind: 'rest', untilMs: rotateAtMs + MINUTE_MS, because: 'refused' }
    assert.equal(nextAttempt(refused, action), timestamp(rotateAtMs + MINUTE_MS))
  })

  it('after a refusal that stands is none', () => {
    assert.equal(nextAttempt(refused, { kind: 'rest', untilMs: Infinity, because: 'refused' }), undefined)
  })

  it('of an errand that failed is its own, not the renewal for which the node rests', () => {
    const failedRecheck = { error: unreachable.error, count: 1, nextAttemptMs: rotateAtMs - HOUR_MS }
    const action: Action = { kind: 'rest', untilMs: rotateAtMs, because: 'fresh' }
    assert.equal(nextAttempt({ ...joined, failedRecheck }, action), timestamp(rotateAtMs - HOUR_MS))
  })
})

describe('statusOf: secrets', () => {
  it('never has the token or the key in it, whatever was seen', () => {
    const everything = { ...joined, pending, request: waiting.request, refusal: refusalAt(NOW_MS) }
    const [, keyText = ''] = privateKeyToPem(pair.key).split('\n')
    for (const seen of [nothing, waiting, joined, everything])
      for (const failure of [undefined, unreachable]) {
        const status = statusFor(seen, { kind: 'await-outcome', as: 'bootstrap' }, { failure })
        for (const text of [JSON.stringify(status), inspect(status, { depth: 20, showHidden: true })]) {
          assert.ok(!text.includes(TOKEN_SECRET))
          assert.ok(!text.includes(keyText))
          assert.ok(!text.includes('PRIVATE KEY'))
        }
      }
  })
})
