import assert from 'node:assert/strict'
import { asOf } from '../../../src/agent/joined.ts'
import type { Status } from '../../../src/agent/status.ts'
import { exitStatusOf } from '../../../src/cli/published-status.ts'
import { render, span } from '../../../src/cli/status.ts'

const NOW_MS = Date.parse('2026-11-23T12:00:00.000Z')

const healthy: Status = {
  version: 1,
  program: { version: '1.2.3', pid: 4711, startTime: '99' },
  node: 'worker-1',
  state: 'healthy',
  joined: true,
  summary: 'joined; the certificate is renewed at 2026-11-24T06:00:00.000Z',
  since: '2026-11-23T11:00:00.000Z',
  cluster: {
    server: 'https://10.0.0.10:6443',
    caCertHashes: ['sha256:aa'],
    verifiedAt: '2026-11-23T10:59:00.000Z',
    evidence: { method: 'token', source: '10.0.0.10:6443', verified: ['it was verified'] },
  },
  certificate: {
    subject: 'CN=system:node:worker-1, O=system:nodes',
    serialNumber: '0a',
    fingerprint: 'SHA256:bb',
    notBefore: '2026-11-23T10:55:00.000Z',
    notAfter: '2026-11-24T11:00:00.000Z',
    renewAt: '2026-11-24T06:00:00.000Z',
    installedAt: '2026-11-23T00:00:00.000Z',
  },
  findings: [
    {
      id: 'token-without-pin',
      severity: 'warning',
      requirement: 'pinned',
      isRequired: false,
      seen: 'there is no pin',
      consequence: 'anybody may answer',
      remedy: 'pin it',
    },
  ],
}

const waiting: Status = {
  version: 1,
  program: healthy.program,
  node: 'worker-1',
  state: 'waiting',
  joined: false,
  summary: 'nobody answers',
  since: '2026-11-23T11:59:30.000Z',
  step: 'approval',
  findings: [],
  request: {
    name: 'node-csr-x',
    fingerprint: 'SHA256:cc',
    createdAt: '2026-11-23T11:58:00.000Z',
    approve: 'kubectl certificate approve node-csr-x',
  },
  problem: {
    kind: 'client',
    code: 'unreachable',
    message: 'nobody answers',
    hint: 'check the address',
    nextAttemptAt: '2026-11-23T12:00:10.000Z',
  },
  configurationProblem: 'join.yaml:1:1: one\njoin.yaml:2:1: two',
}

describe('status: span', () => {
  for (const [ms, text] of [
    [-1, '0s'],
    [0, '0s'],
    [499, '0s'],
    [1000, '1s'],
    [59_499, '59s'],
    [60_000, '1m 0s'],
    [725_000, '12m 5s'],
    [3_600_000, '1h 0m'],
    [86_399_000, '23h 59m'],
    [86_400_000, '1d 0h'],
    [273_600_000 + 59_000, '3d 4h'],
  ] as const)
    it(`says ${text} for ${ms} ms`, () => {
      assert.equal(span(ms), text)
    })
})

describe('status: as of now', () => {
  const endMs = Date.parse('2026-11-24T11:00:00.000Z')

  it('leaves a status alone until its certificate ends', () => {
    assert.equal(asOf(healthy, endMs - 1), healthy)
  })

  for (const state of ['healthy', 'degraded', 'waiting'] as const)
    it(`has not joined from that moment on where it was ${state}, and still says what was`, () => {
      const seen = asOf({ ...healthy, state }, endMs)
      assert.deepEqual([seen.state, seen.joined, exitStatusOf(seen)], ['waiting', false, 75])
      assert.equal(seen.summary, `the certificate has expired; before that: ${healthy.summary}`)
    })

  it('leaves alone what already says so, or has no certificate', () => {
    const problem = {
      kind: 'client' as const,
      code: 'rejoin-needs-credential',
      message: 'the certificate has expired',
      hint: 'make a token',
    }
    const lost: Status = { ...healthy, state: 'degraded', joined: false, problem }
    assert.equal(asOf(lost, endMs + 1), lost)
    assert.equal(exitStatusOf(lost), 77)
    assert.equal(asOf(waiting, endMs + 1), waiting)
  })
})

describe('status: render', () => {
  it('shows a node that has joined', () => {
    assert.equal(
      render({ status: healthy, runs: true }, NOW_MS),
      `node         worker-1
state        healthy, since 2026-11-23T11:00:00.000Z (1h 0m ago)
             joined; the certificate is renewed at 2026-11-24T06:00:00.000Z
way          ✓ cluster  ✓ key  ✓ request  ✓ approval  ✓ certificate  ✓ kubeconfig
cluster      https://10.0.0.10:6443
             CA sha256:aa
             verified: it was verified
trade-offs   warning: token-without-pin: there is no pin: anybody may answer
             what to do: pin it
certificate  CN=system:node:worker-1, O=system:nodes, serial 0a
             valid until 2026-11-24T11:00:00.000Z (in 23h 0m)
             renewed at 2026-11-24T06:00:00.000Z (in 18h 0m)
agent        1.2.3, pid 4711
`,
    )
  })

  it('says that it does not know whether the node has joined, where the agent does not', () => {
    const { version, program, node, since, findings } = healthy
    const status: Status = { version, program, node, state: 'waiting', since, findings, summary: 'the disk fails' }
    assert.match(
      render({ status, runs: true }, Date.parse(since)),
      /^state +waiting, unknown whether it has joined, since /m,
    )
  })

  it('shows a node that has lost its certificate as degraded, and not joined', () => {
    const problem = {
      kind: 'client' as const,
      code: 'rejoin-needs-credential',
      message: 'the certificate has expired, and joining again failed: the credential was refused',
      hint: 'make a bootstrap token (kubeadm token create)',
    }
    const lost: Status = {
      ...healthy,
      state: 'degraded',
      joined: false,
      step: 'key',
      summary: problem.message,
      problem,
    }
    const nowMs = Date.parse('2026-11-24T12:00:00.000Z')
    assert.equal(
      render({ status: asOf(lost, nowMs), runs: true }, nowMs).split('\ncluster')[0],
      `node         worker-1
state        degraded, not joined, since 2026-11-23T11:00:00.000Z (1d 1h ago)
             the certificate has expired, and joining again failed: the credential was refused
way          ✓ cluster  → key  · request  · approval  · certificate  · kubeconfig
problem      rejoin-needs-credential: the certificate has expired, and joining again failed: the credential was refused
             what to do: make a bootstrap token (kubeadm token create)`,
    )
  })

  it('tells a joined node that waits from one that has never joined', () => {
    const text = render({ status: { ...waiting, joined: true }, runs: true }, NOW_MS)
    assert.match(text, /^state {8}waiting, joined, since /m)
  })

  it('says which trade-off policy forbids', () => {
    const findings = healthy.findings.map((finding) => ({ ...finding, isRequired: true }))
    assert.match(
      render({ status: { ...healthy, findings }, runs: true }, NOW_MS),
      /^trade-offs {3}forbidden by policy\.require: pinned: token-without-pin: there is no pin/m,
    )
  })

  it('shows a node that waits, with what is wrong and what to do', () => {
    assert.equal(
      render({ status: waiting, runs: true }, NOW_MS),
      `node         worker-1
state        waiting, since 2026-11-23T11:59:30.000Z (30s ago)
             nobody answers
way          ✓ cluster  ✓ key  ✓ request  → approval  · certificate  · kubeconfig
problem      unreachable: nobody answers
             what to do: check the address
             next attempt in 10s
join.yaml    the changed file is not used, the last good one is:
             join.yaml:1:1: one
             join.yaml:2:1: two
request      node-csr-x, submitted 2m 0s ago
             key SHA256:cc
             kubectl certificate approve node-csr-x
agent        1.2.3, pid 4711
`,
    )
  })

  it('says that a renewal is due, not that it was done', () => {
    const nowMs = Date.parse('2026-11-24T07:00:00.000Z')
    assert.match(
      render({ status: healthy, runs: true }, nowMs),
      /^ {13}renewal due since 2026-11-24T06:00:00\.000Z \(1h 0m ago\)$/m,
    )
  })

  it('has nothing approved that is not in the cluster', () => {
    const request = { name: 'node-csr-x', fingerprint: 'SHA256:cc', approve: 'kubectl certificate approve node-csr-x' }
    const outdated = { ...request, createdAt: '2026-11-23T11:58:00Z', outdated: 'it is old', deny: 'kubectl deny it' }
    const lines = render({ status: { ...waiting, request: outdated }, runs: true }, NOW_MS)
    assert.match(
      lines,
      /^ +outdated: it is old\n +kubectl deny it # then what is wanted now is asked for\n +kubectl certificate approve node-csr-x # takes it as it is, until its renewal$/m,
    )
    const text = render({ status: { ...waiting, request }, runs: true }, NOW_MS)
    assert.match(text, /^request {6}node-csr-x, not seen in the cluster yet$/m)
    assert.doesNotMatch(text, /kubectl certificate approve/)
  })

  it('says of a status that the running agent does not keep when it was written', () => {
    const text = render({ status: healthy, runs: true, behindSinceMs: NOW_MS - 3_600_000 }, NOW_MS)
    assert.match(
      text,
      /^state {8}healthy, since .*; that was written 1h 0m ago, and may be no longer so: the agent runs/m,
    )
  })

  it('says of a stopped agent that it does not run, and when its certificate ended', () => {
    const nowMs = Date.parse('2026-11-24T12:30:00.000Z')
    const text = render({ status: asOf(healthy, nowMs), runs: false }, nowMs)
    assert.match(
      text,
      /^state {8}waiting, since 2026-11-23T11:00:00\.000Z \(1d 1h ago\); that was when the agent last ran, and it does not run now$/m,
    )
    assert.match(text, /^ {13}the certificate has expired; before that: joined;/m)
    assert.match(text, /^ {13}valid until 2026-11-24T11:00:00\.000Z \(1h 30m ago\)$/m)
  })
})
