import assert from 'node:assert/strict'
import { CLIENT, SERVING, type CertificateKind } from '../../../src/agent/certificate-kind.ts'
import type { StatusProblem } from '../../../src/agent/status-problem.ts'
import type { Status } from '../../../src/agent/status.ts'
import { GOALS } from '../../../src/cli/commands.ts'
import { follow, type FollowOptions } from '../../../src/cli/follow.ts'
import type { PublishedStatus } from '../../../src/cli/published-status.ts'
import { renewalReached } from '../../../src/cli/renew.ts'
import { goalReached, type Goal } from '../../../src/cli/wait.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { bootstrapErrorOf } from '../../harness/thrown.ts'
import { VirtualClock } from '../agent/fakes.ts'

const certificate = (fingerprint: string): Required<Status>['certificate'] => ({
  subject: 'CN=system:node:worker-1, O=system:nodes',
  serialNumber: '0a',
  fingerprint: `SHA256:${fingerprint}`,
  notBefore: '2026-11-23T10:55:00.000Z',
  notAfter: '2026-11-24T11:00:00.000Z',
  renewAt: '2026-11-24T06:00:00.000Z',
  installedAt: '2026-11-23T00:00:00.000Z',
})

/** `more`: a degraded node need not have joined. */
function published(state: Status['state'], more: Partial<Status> = {}, runs = true): PublishedStatus {
  const program = { version: '1.2.3', pid: 4711, startTime: '99' }
  const joined = state === 'healthy' || state === 'degraded'
  const told = { state, joined, summary: `it is ${state}`, since: '' }
  return { status: { version: 1, program, node: 'worker-1', ...told, findings: [], ...more }, runs }
}

const problemOf = (code: string, message: string, hint: string): StatusProblem => ({
  kind: 'client',
  code,
  message,
  hint,
})
const lost = problemOf('rejoin-needs-credential', 'the certificate has expired', 'make a token')
const denied = problemOf('csr-denied', 'node-csr-x was denied', 'ask who denied it')

/** Follows successive looks, of which the last one stays; the lines that were told come with the result. */
function following(
  looks: readonly (PublishedStatus | undefined)[],
  options: Partial<FollowOptions> = {},
): { told: string[]; result: Promise<PublishedStatus> } {
  const rest = [...looks]
  const told: string[] = []
  const result = follow('/nowhere', {
    goal: 'joined',
    isReached: goalReached('joined'),
    timeoutMs: 10_000,
    absence: () => Promise.resolve(new BootstrapError('status-not-kept', 'the agent runs, and its directory is full')),
    onNews: (line) => told.push(line),
    clock: new VirtualClock(),
    look: () => Promise.resolve(rest.length > 1 ? rest.shift() : rest[0]),
    ...options,
  })
  return { told, result }
}

describe('follow', () => {
  it('goes on until the goal is reached, and tells each change once', async () => {
    const waiting = published('waiting')
    const ended = published('waiting', {}, false)
    const { told, result } = following([undefined, undefined, ended, waiting, waiting, published('healthy')])
    assert.equal((await result).status.state, 'healthy')
    assert.deepEqual(told, [
      'there is no status: it is waited for',
      'no agent runs: it is waited for',
      'waiting: it is waiting',
      'healthy: it is healthy',
    ])
  })

  it('waits for ever where nothing is said of a time', async () => {
    const looks = [...Array<undefined>(10_000), published('healthy')]
    const { result } = following(looks, { timeoutMs: undefined })
    assert.equal((await result).status.state, 'healthy')
  })

  const stuck: [string, PublishedStatus | undefined, string, number][] = [
    ['there is no status, of an agent that runs', undefined, 'status-not-kept', 69],
    ['its agent has ended', published('waiting', {}, false), 'not-running', 69],
    ['its agent runs, and cannot publish', { ...published('waiting'), behindSinceMs: 0 }, 'status-not-kept', 69],
    ['it is only not yet so', published('waiting'), 'waiting-timed-out', 75],
    ['a problem stands in the way', published('failed', { problem: denied }), 'csr-denied', 77],
    ['the certificate is lost', published('degraded', { joined: false, problem: lost }), lost.code, 77],
    [
      'a newer agent has a code of its own',
      published('failed', { problem: { ...denied, code: 'new' } }),
      'waiting-timed-out',
      75,
    ],
  ]
  for (const [what, last, code, exit] of stuck)
    it(`ends after its time with what stands in the way: ${what}`, async () => {
      const error = await bootstrapErrorOf(following([last]).result)
      assert.deepEqual([error.code, error.exitStatus], [code, exit])
      assert.match(error.message, /^not joined within 10 s: /)
    })
})

describe('follow, for one certificate', () => {
  const serving = { ...problemOf('connection-refused', 'nobody listens there', 'look'), kind: 'serving' as const }
  const request = {
    name: 'node-csr-s',
    fingerprint: 'SHA256:0',
    createdAt: '2026-11-23T12:00:00.000Z',
    approve: 'kubectl certificate approve node-csr-s',
  }
  const waits = { summary: 'it waits for approval', request }
  const failing = { summary: serving.message, problem: serving }
  const hook = problemOf('hook-failed', '/bin/announce exited with 1', 'look')
  const rows: [string, CertificateKind, Partial<Status>, string, string][] = [
    [
      'the serving one: its request, though the node’s own is well',
      SERVING,
      { serving: waits },
      'waiting-timed-out',
      'it waits for approval: kubectl certificate approve node-csr-s',
    ],
    [
      'the serving one: its request, whatever else is wrong with the node',
      SERVING,
      { problem: hook, serving: waits },
      'waiting-timed-out',
      'it waits for approval: kubectl certificate approve node-csr-s',
    ],
    ['the serving one: its own failure', SERVING, { problem: hook, serving: failing }, serving.code, serving.message],
    [
      'the serving one: the node’s own failure, as long as that has not joined',
      SERVING,
      { joined: false, problem: lost, serving: { summary: 'it is asked for later' } },
      lost.code,
      lost.message,
    ],
    ['the node’s own: its failure', CLIENT, { problem: hook, serving: failing }, hook.code, hook.message],
    [
      'the node’s own: what it waits for, though the serving one fails',
      CLIENT,
      { problem: serving, serving: failing },
      'waiting-timed-out',
      'it is degraded',
    ],
  ]
  for (const [sentence, kind, more, code, message] of rows)
    it(`ends after its time with what stands in the way of ${sentence}`, async () => {
      const looks = [published('degraded', more)]
      const error = await bootstrapErrorOf(following(looks, { goal: 'renewed', isReached: () => false, kind }).result)
      assert.deepEqual([error.code, error.message], [code, `not renewed within 10 s: ${message}`])
    })
})

describe('wait', () => {
  const old = { certificate: certificate('old') }
  const renewed = { certificate: certificate('new') }
  const rows: [Goal, string, PublishedStatus[], boolean[]][] = [
    [
      'joined',
      'takes healthy and degraded',
      [published('waiting'), published('failed'), published('degraded'), published('healthy')],
      [false, false, true, true],
    ],
    [
      'joined',
      'takes no node that is degraded because it has lost its certificate',
      [published('degraded', { joined: false, problem: lost }), published('degraded', { ...old, joined: false })],
      [false, false],
    ],
    ['joined', 'does not need the agent to go on', [published('healthy', old, false)], [true]],
    [
      'healthy',
      'takes nothing less, and only of an agent that runs and keeps its status',
      [
        published('degraded'),
        published('healthy', {}, false),
        { ...published('healthy'), behindSinceMs: 0 },
        published('healthy'),
      ],
      [false, false, false, true],
    ],
    [
      'renewed',
      'is another certificate than the first that was seen',
      [published('waiting'), published('healthy', old), published('degraded', old), published('healthy', renewed)],
      [false, false, false, true],
    ],
    [
      'renewed',
      'is another certificate than one that was refused when it began',
      [
        published('degraded', { ...old, joined: false }),
        published('degraded', { ...renewed, joined: false }),
        published('healthy', renewed),
      ],
      [false, false, true],
    ],
    [
      'renewed',
      'counts no certificate that has lapsed',
      [published('waiting', old), published('healthy', renewed)],
      [false, false],
    ],
  ]
  for (const [goal, what, looks, expected] of rows)
    it(`for ${goal} ${what}`, () => {
      assert.deepEqual(looks.map(goalReached(goal)), expected)
    })

  it('has a judge for each goal', () => {
    for (const goal of GOALS) assert.equal(goalReached(goal)(published('failed')), false)
  })
})

describe('renew', () => {
  it('is done with another certificate, and ends with a refusal that was not there before', () => {
    const stale = published('degraded', { certificate: certificate('old'), problem: denied })
    const isReached = renewalReached(CLIENT, 'old', stale.status)
    assert.equal(isReached(stale), false)
    assert.equal(isReached(published('healthy', { certificate: certificate('old') })), false)
    const away = problemOf('unreachable', 'nobody answers', 'look')
    assert.equal(isReached(published('degraded', { certificate: certificate('old'), problem: away })), false)
    assert.equal(isReached(published('healthy', { certificate: certificate('new') })), true)
    const fresh = { ...denied, message: 'node-csr-y was denied' }
    assert.throws(() => isReached(published('degraded', { certificate: certificate('old'), problem: fresh })), {
      code: 'csr-denied',
      hint: denied.hint,
    })
  })

  it('of the serving certificate looks at that one alone', () => {
    const served = (fingerprint: string): Partial<Status> => ({
      certificate: certificate('own'),
      serving: { summary: 'it serves', certificate: certificate(fingerprint) },
    })
    const isReached = renewalReached(SERVING, 'old', undefined)
    assert.equal(isReached(published('healthy', served('old'))), false)
    assert.equal(isReached(published('healthy', served('new'))), true)
    const isSeen = goalReached('renewed', SERVING)
    assert.deepEqual(
      ['old', 'old', 'new'].map((each) => isSeen(published('healthy', served(each)))),
      [false, false, true],
    )
  })

  it('of the serving certificate is ended by its own refusal, whatever else is wrong with the node', () => {
    const hook = problemOf('csr-failed', 'it is the node’s own', 'look')
    const summary = 'node-csr-s was denied'
    const refused = { ...denied, kind: 'serving' as const, message: summary }
    const isReached = renewalReached(SERVING, 'old', published('healthy').status)
    assert.equal(isReached(published('degraded', { problem: hook, serving: { summary: 'it waits' } })), false)
    const both = published('degraded', { problem: hook, serving: { summary, problem: refused } })
    assert.throws(() => isReached(both), { code: 'csr-denied', message: summary })
  })
})
