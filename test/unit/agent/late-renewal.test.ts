/** When a renewal that nobody approves is no longer well: the edges of the rule, what it says, and how it goes over time. */
import assert from 'node:assert/strict'
import { NOTHING_SEEN } from '../../../src/agent/beginning.ts'
import type { Action } from '../../../src/agent/decide.ts'
import type { Observed, SeenServing } from '../../../src/agent/observed.ts'
import { overdueDeadline } from '../../../src/agent/rotation.ts'
import { servingProblem } from '../../../src/agent/serving-status.ts'
import { statusOf, type StatusBody } from '../../../src/agent/status.ts'
import { exitStatusOf } from '../../../src/cli/published-status.ts'
import { timestamp } from '../../../src/lib/timestamp.ts'
import {
  configurationWith,
  DAY_MS,
  HOUR_MS,
  identityOf,
  MINUTE_MS,
  newAuthority,
  NOTHING_ODD,
  NOW_MS,
  pairFrom,
  pendingFor,
  recordFor,
  refusalAt,
  requestWith,
} from './fixtures.ts'
import { pinless, Stage } from './loop-stage.ts'

const configuration = configurationWith()
const authority = newAuthority()
const pair = pairFrom(authority)
const pending = pendingFor(pairFrom(authority))
const { name } = pending
const endMs = NOW_MS + DAY_MS
const rotateAtMs = NOW_MS + 18 * HOUR_MS
const overdueAtMs = overdueDeadline(rotateAtMs, endMs)
const waiting: Observed = {
  ...NOTHING_SEEN,
  ...NOTHING_ODD,
  trust: { kind: 'verified', record: recordFor(configuration, authority) },
  identity: { ...identityOf(pair, rotateAtMs), overdueAtMs },
  published: true,
  pending,
  request: requestWith({ kind: 'pending' }, name),
}
const lastRefusal = refusalAt(rotateAtMs)
const awaitOutcome: Action = { kind: 'await-outcome', as: 'node' }

const statusAt = (nowMs: number, seen: Partial<Observed> = {}, action: Action = awaitOutcome): StatusBody =>
  statusOf({ configuration, seen: { ...waiting, ...seen }, action, failure: undefined, serving: undefined, nowMs })

describe('a renewal that waits for approval', () => {
  it('has half of the time between its deadline and the end of the certificate', () => {
    assert.equal(overdueAtMs, NOW_MS + 21 * HOUR_MS)
  })

  const edges: [string, number, Partial<Observed>, [StatusBody['state'], boolean, string | undefined]][] = [
    ['leaves the node healthy when it has just become due', rotateAtMs, {}, ['healthy', true, undefined]],
    ['leaves it healthy until that time is over', overdueAtMs - 1, {}, ['healthy', true, undefined]],
    ['is late from that moment on', overdueAtMs, {}, ['degraded', true, 'renewal-not-approved']],
    ['is late to the last', endMs - 1, {}, ['degraded', true, 'renewal-not-approved']],
    ['is none any more when the certificate has ended', endMs, {}, ['waiting', false, undefined]],
    [
      'is late at once after one that was refused',
      rotateAtMs,
      { lastRefusal },
      ['degraded', true, 'renewal-not-approved'],
    ],
    [
      'that was asked for before its time is not late before that time is',
      rotateAtMs - 1,
      { identity: { ...identityOf(pair, NOW_MS), overdueAtMs } },
      ['healthy', true, undefined],
    ],
  ]
  for (const [sentence, nowMs, seen, expected] of edges)
    it(sentence, () => {
      const { state, joined, problem } = statusAt(nowMs, seen)
      assert.deepEqual([state, joined, problem?.code], expected)
    })

  it('is late all the same while it is looked up again', () => {
    const { state, problem } = statusAt(overdueAtMs, { request: undefined }, { kind: 'submit', as: 'node' })
    assert.deepEqual([state, problem?.code], ['degraded', 'renewal-not-approved'])
    assert.match(problem?.message ?? '', new RegExp(`^the renewal ${name} is looked up again; the certificate ends`))
    assert.equal(statusAt(overdueAtMs - 1, { request: undefined }).state, 'healthy')
  })

  it('names, when it is late, the request, since when it waits, the end, and the command that approves it', () => {
    const status = statusAt(overdueAtMs)
    assert.equal(status.summary, `joined; the renewal waits for approval: kubectl certificate approve ${name}`)
    assert.deepEqual(status.problem, {
      kind: 'client',
      code: 'renewal-not-approved',
      message: `the renewal ${name} has waited for approval since ${timestamp(NOW_MS - MINUTE_MS)}; the certificate ends at ${timestamp(endMs)}`,
      hint: `compare the key, then: kubectl certificate approve ${name}; the ClusterRoleBinding kubeadm:node-autoapprove-certificate-rotation has the cluster do so by itself`,
    })
    assert.equal(
      exitStatusOf({ ...status, version: 1, program: { version: '', pid: 1, startTime: '' }, since: '' }),
      75,
    )
  })

  const words: [string, Partial<Observed>, RegExp, RegExp][] = [
    [
      'after a refusal, why that was',
      { lastRefusal },
      /since \S+, after one was refused \(node-csr-example was denied: KubectlDeny: not this machine\); the certificate ends/,
      /kubectl certificate approve/,
    ],
    [
      'that is approved, that its signer is missing',
      { request: requestWith({ kind: 'approved' }, name) },
      /^the renewal \S+ is approved, but not signed yet; the certificate ends/,
      /look at the signer/,
    ],
    [
      'that is not wanted any more, how to make room for another',
      { outdated: { isUseless: false, why: 'it asks for less' } },
      /has waited for approval/,
      /^deny it, and another is filed: kubectl certificate deny/,
    ],
  ]
  for (const [sentence, seen, message, hint] of words)
    it(`says of one ${sentence}`, () => {
      const { problem } = statusAt(overdueAtMs, seen)
      assert.match(problem?.message ?? '', message)
      assert.match(problem?.hint ?? '', hint)
    })
})

describe('a serving certificate whose renewal waits', () => {
  const names = { dnsNames: [], ipAddresses: [] }
  const serving = { ...waiting, names }
  const rows: [string, number, Partial<SeenServing>, Action, string | undefined][] = [
    ['is well until that time is over', overdueAtMs - 1, {}, awaitOutcome, undefined],
    ['is late from that moment on', overdueAtMs, {}, awaitOutcome, 'serving-not-approved'],
    ['is late at once after one that was refused', rotateAtMs, { lastRefusal }, awaitOutcome, 'serving-not-approved'],
    [
      'stays so while another is filed',
      rotateAtMs,
      { lastRefusal, request: undefined },
      { kind: 'submit', as: 'node' },
      'serving-not-approved',
    ],
    [
      'is well while the first one is filed',
      rotateAtMs,
      { request: undefined },
      { kind: 'submit', as: 'node' },
      undefined,
    ],
  ]
  for (const [sentence, nowMs, seen, action, code] of rows)
    it(sentence, () => {
      assert.equal(servingProblem({ ...serving, ...seen }, { action, failure: undefined }, nowMs)?.code, code)
    })
})

describe('Loop: a renewal that nobody approves', () => {
  /** A node that has joined with a certificate of an hour, and whose renewals fare so. */
  async function renewing(verdict: 'leave' | 'deny'): Promise<Stage> {
    const stage = new Stage({ configuration: configurationWith({ discovery: pinless }), maxReports: 50_000 })
    stage.cluster.certificateMs = HOUR_MS
    await stage.runFor(MINUTE_MS)
    stage.clock.afterSleep = () => undefined
    const { clock, files, cluster } = stage
    cluster.verdict = verdict
    return new Stage({
      configuration: configurationWith({ discovery: pinless }),
      clock,
      files,
      cluster,
      maxReports: 50_000,
    })
  }

  it('is healthy at first, degraded within a minute of its time, and never healthy again before there is one', async () => {
    const stage = await renewing('leave')
    const told: [atMs: number, state: string][] = []
    let [renewAtMs, lapseMs] = [0, 0]
    stage.onReport = ({ state, certificate, joined }) => {
      renewAtMs = Date.parse(certificate?.renewAt ?? '')
      lapseMs = Date.parse(certificate?.notAfter ?? '')
      told.push([stage.clock.nowMs(), state])
      assert.equal(joined, stage.clock.nowMs() < lapseMs, state)
      if (!joined) stage.stop()
    }
    await stage.runFor(2 * HOUR_MS)
    const lateMs = overdueDeadline(renewAtMs, lapseMs)
    for (const [atMs, state] of told.slice(1)) {
      if (atMs < lateMs) assert.notEqual(state, 'degraded', `${(lateMs - atMs) / 1000} s before it`)
      else if (atMs < lapseMs) assert.equal(state, 'degraded', `${(atMs - lateMs) / 1000} s after it`)
    }
    const first = told.find(([, state]) => state === 'degraded')?.[0] ?? Infinity
    assert.ok(first >= lateMs && first <= lateMs + MINUTE_MS, `${(first - lateMs) / 1000} s`)
  })

  it('is degraded from the first refusal on, whatever is asked for after it, until one is approved', async () => {
    const stage = await renewing('deny')
    const refusals = new Set<string>()
    stage.onReport = ({ state, joined, problem }) => {
      if (problem?.code === 'csr-denied') refusals.add(problem.message)
      if (refusals.size > 0 && joined) assert.equal(state, 'degraded')
      if (stage.cluster.posts.length === 4) stage.cluster.verdict = 'approve'
      if (stage.cluster.posts.length === 5) stage.stop()
    }
    await stage.runFor(HOUR_MS)
    assert.deepEqual([refusals.size, stage.cluster.posts.length], [3, 5])
  })

  it('is told once, and stays late, however often its watch breaks and it is looked up again', async () => {
    const stage = await renewing('leave')
    let lateAtMs = Infinity
    let sleeps = 0
    stage.onReport = ({ state, certificate }) => {
      const { renewAt, notAfter } = certificate ?? {}
      lateAtMs = overdueDeadline(Date.parse(renewAt ?? ''), Date.parse(notAfter ?? ''))
      if (stage.clock.nowMs() >= lateAtMs) assert.equal(state, 'degraded', stage.status.summary)
    }
    stage.clock.afterSleep = () => {
      if (stage.clock.nowMs() < lateAtMs) return
      if (sleeps === 9) stage.stop()
      sleeps += 1
      if (sleeps % 2 === 1) stage.cluster.restart()
    }
    await stage.run()
    assert.ok(stage.cluster.posts.length >= 4, `${stage.cluster.posts.length}: it was not looked up again`)
    assert.equal(stage.lines.filter(({ fields }) => fields['code'] === 'renewal-not-approved').length, 1)
  })
})
