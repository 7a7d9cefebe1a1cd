import assert from 'node:assert/strict'
import type { StatusBody } from '../../../src/agent/status.ts'
import { FIRST_QUESTION_MS, NEXT_QUESTION_MS } from '../../../src/agent/token-question.ts'
import type { JoinConfiguration } from '../../../src/config/index.ts'
import type { Requirement } from '../../../src/lib/findings.ts'
import { bootstrapErrorOf } from '../../harness/thrown.ts'
import { FakeCluster, statusResponse } from './fakes.ts'
import { configurationWith, DAY_MS, HOUR_MS, MINUTE_MS, TOKEN_ID, tokenDiscovery } from './fixtures.ts'
import { pinless, Stage } from './loop-stage.ts'

const requiring = (...require: Requirement[]): JoinConfiguration =>
  configurationWith({ discovery: pinless, policy: { require } })

const idsOf = ({ findings }: StatusBody): string[] => findings.map(({ id }) => id)
const told = (stage: Stage): unknown[] =>
  stage.lines.map(({ fields }) => fields['finding']).filter((finding) => finding !== undefined)
const isQuestion = ({ path, requester }: FakeCluster['seen'][number]): boolean =>
  path === '/version' && requester === 'bootstrap'

describe('Loop: trade-offs', () => {
  it('tells each when it shows, once, and goes on listing it', async () => {
    const stage = new Stage()
    await stage.runFor(5 * MINUTE_MS)
    assert.deepEqual(told(stage), ['token-without-pin', 'token-discovery', 'automatic-approval'])
    const levels = stage.lines.filter(({ fields }) => fields['finding'] !== undefined).map(({ level }) => level)
    assert.deepEqual(levels, ['warn', 'info', 'info'])
    assert.deepEqual(idsOf(stage.status), ['token-without-pin', 'token-discovery', 'automatic-approval'])
    assert.equal(stage.status.state, 'healthy')
  })

  it('tells them again to an operator who asks', async () => {
    const stage = new Stage()
    let hasAsked = false
    stage.clock.afterSleep = () => {
      if (!hasAsked) stage.loop.retryNow()
      hasAsked = true
    }
    await stage.runFor(3 * MINUTE_MS)
    assert.equal(told(stage).filter((id) => id === 'token-without-pin').length, 2)
  })

  it('knows after a restart that the cluster lets machines in by itself, and makes nothing of a renewal', async () => {
    const stage = new Stage()
    await stage.runFor(MINUTE_MS)
    const restarted = new Stage()
    for (const [path, entry] of stage.files.entries) restarted.files.entries.set(path, entry)
    await restarted.runFor(MINUTE_MS)
    assert.ok(idsOf(restarted.status).includes('automatic-approval'))
    assert.equal(restarted.messages('info').filter((message) => message === 'the cluster is verified').length, 0)
    assert.equal(restarted.cluster.posts.length, 0)
  })

  it('does not take an approval by a person, and the renewals by rule after it, for automatic', async () => {
    const stage = new Stage({ maxReports: 20_000 })
    stage.cluster.verdict = 'leave'
    stage.cluster.approvalReason = 'KubectlApprove'
    stage.onReport = ({ step, request }) => {
      if (step !== 'approval' || request === undefined || stage.cluster.verdict === 'approve') return
      stage.cluster.verdict = 'approve'
      setImmediate(() => {
        stage.clock.pass(2000)
        stage.cluster.settle(request.name, 'approve')
      })
    }
    await stage.runFor(2 * DAY_MS)
    assert.ok(stage.cluster.posts.length > 1, 'there was no renewal')
    assert.ok(!told(stage).includes('automatic-approval'))
  })
})

describe('Loop: policy.require', () => {
  it('stops before anything is asked where the configuration is against it', async () => {
    const stage = new Stage({ configuration: requiring('pinned') })
    await stage.runFor(HOUR_MS)
    assert.deepEqual(stage.cluster.seen, [])
    assert.deepEqual([stage.status.state, stage.status.problem?.code], ['failed', 'policy-violated'])
    assert.match(stage.status.summary, /^policy\.require: pinned is not met: discovery\.token has neither/)
    assert.equal(stage.messages('error').length, 1)
  })

  it('joins at once where the configuration is mended', async () => {
    const stage = new Stage({ configuration: requiring('pinned') })
    let isMended = false
    stage.clock.afterSleep = () => {
      if (!isMended) stage.loop.reconfigure(requiring('private-secrets'))
      isMended = true
    }
    await stage.runFor(5 * MINUTE_MS)
    assert.equal(stage.status.state, 'healthy')
  })

  it('shows the token of another discovery, which it forbids, not to the cluster of the one before', async () => {
    const stage = new Stage()
    const elsewhere = tokenDiscovery({
      caCertHashes: [],
      unsafeSkipCAVerification: true,
      endpoints: ['10.0.0.77:6443'],
    })
    let before: number | undefined
    stage.clock.afterSleep = () => {
      if (before !== undefined || stage.status.state !== 'healthy') return
      before = stage.cluster.seen.filter(isQuestion).length
      stage.loop.reconfigure(configurationWith({ discovery: elsewhere, policy: { require: ['pinned'] } }))
    }
    await stage.runFor(FIRST_QUESTION_MS + HOUR_MS)
    assert.deepEqual([stage.status.state, stage.status.problem?.code], ['degraded', 'policy-violated'])
    assert.equal(stage.cluster.seen.filter(isQuestion).length, before)
  })

  it('ends run --once with its own error', async () => {
    const stage = new Stage({ configuration: requiring('pinned'), once: 'joined' })
    assert.equal((await bootstrapErrorOf(stage.run())).code, 'policy-violated')
    assert.deepEqual(stage.cluster.seen, [])
  })

  it('makes no key and files no request where the cluster shows what it forbids', async () => {
    const stage = new Stage({ configuration: requiring('expected-server') })
    const elsewhere = new FakeCluster(stage.clock, 'https://10.0.0.99:6443')
    stage.cluster.request = (request) => elsewhere.request(request)
    await stage.runFor(HOUR_MS)
    assert.deepEqual([stage.status.state, stage.status.problem?.code], ['failed', 'policy-violated'])
    assert.ok(
      elsewhere.seen.every(({ path, requester }) => path.endsWith('/cluster-info') && requester === 'anonymous'),
    )
    assert.equal(elsewhere.seen.length, 2)
  })

  it('does not install what was approved by itself, keeps the key, and installs that very certificate without it', async () => {
    const stage = new Stage({ configuration: requiring('manual-approval') })
    await stage.runFor(HOUR_MS)
    assert.deepEqual([stage.status.state, stage.status.problem?.code], ['failed', 'policy-violated'])
    assert.equal(stage.cluster.posts.length, 1)
    assert.equal(stage.status.certificate, undefined)
    assert.ok(![...stage.files.entries.keys()].some((path) => path.endsWith('kubelet.conf')))

    const relaxed = new Stage({ configuration: requiring() })
    for (const [path, entry] of stage.files.entries) relaxed.files.entries.set(path, entry)
    relaxed.cluster.requests.push(...stage.cluster.requests)
    relaxed.cluster.request = (request) => stage.cluster.request(request)
    await relaxed.runFor(MINUTE_MS)
    assert.equal(relaxed.status.state, 'healthy')
    assert.equal(stage.cluster.requests.length, 1)
  })

  it('leaves a node that has joined what it is, says that it is against policy, and renews it', async () => {
    const stage = new Stage({ maxReports: 20_000 })
    await stage.runFor(MINUTE_MS)
    const node = new Stage({ configuration: requiring('pinned'), maxReports: 20_000 })
    for (const [path, entry] of stage.files.entries) node.files.entries.set(path, entry)
    node.cluster.request = (request) => stage.cluster.request(request)
    node.cluster.stream = (request) => stage.cluster.stream(request)
    node.clock.pass(stage.clock.monotonicMs())
    stage.clock.pass(DAY_MS)
    await node.runFor(DAY_MS)
    assert.deepEqual([node.status.state, node.status.problem?.code], ['degraded', 'policy-violated'])
    assert.ok(stage.cluster.posts.length > 1, 'it was not renewed')
    // Of the join and the recheck after it: the node that is against policy trusts nothing anew.
    assert.equal(stage.cluster.seen.filter(({ path }) => path.endsWith('/cluster-info')).length, 3)
  })
})

describe('Loop: whether the bootstrap token is still valid', () => {
  it('is asked once the node has joined, rarely, and told while the answer is yes', async () => {
    const stage = new Stage({ maxReports: 20_000 })
    const beganMs = stage.clock.nowMs()
    const spentMs = beganMs + FIRST_QUESTION_MS + NEXT_QUESTION_MS / 2
    stage.cluster.fault = (seen) =>
      isQuestion(seen) && stage.clock.nowMs() > spentMs ? statusResponse(401, 'Unauthorized') : undefined
    const listed: [ms: number, seen: string | undefined][] = []
    stage.onReport = ({ findings }) => {
      listed.push([stage.clock.nowMs() - beganMs, findings.find(({ id }) => id === 'token-still-valid')?.seen])
    }
    await stage.runFor(FIRST_QUESTION_MS + NEXT_QUESTION_MS + HOUR_MS)
    const questions = stage.cluster.seen.filter(isQuestion).map(({ atMs }) => Math.floor((atMs - beganMs) / MINUTE_MS))
    // The first is of the join itself: which usages this version wants.
    assert.deepEqual(questions, [0, 10, 10 + 6 * 60])
    const [firstMs, secondMs] = [FIRST_QUESTION_MS, FIRST_QUESTION_MS + NEXT_QUESTION_MS]
    // In the moment of a question both the old and the new is reported.
    for (const [ms, seen] of listed.filter(([at]) => at !== firstMs && at !== secondMs)) {
      const isKnown = ms > firstMs && ms < secondMs
      assert.equal(seen?.includes(`bootstrap token ${TOKEN_ID} `), isKnown ? true : undefined, `after ${ms} ms`)
    }
    assert.equal(stage.status.state, 'healthy')
  })

  it('is yes for a token that may do nothing', async () => {
    const stage = new Stage()
    stage.cluster.fault = (seen) =>
      isQuestion(seen) && stage.reports.at(-1)?.state === 'healthy' ? statusResponse(403, 'Forbidden') : undefined
    await stage.runFor(FIRST_QUESTION_MS + HOUR_MS)
    assert.ok(idsOf(stage.status).includes('token-still-valid'))
  })

  it('is not known where nobody answers, which is no problem of the node', async () => {
    const stage = new Stage()
    stage.cluster.fault = (seen) =>
      isQuestion(seen) && stage.reports.at(-1)?.state === 'healthy' ? statusResponse(503, 'away') : undefined
    await stage.runFor(FIRST_QUESTION_MS + HOUR_MS)
    assert.equal(stage.status.state, 'healthy')
    assert.ok(!idsOf(stage.status).includes('token-still-valid'))
    assert.deepEqual(stage.messages('error'), [])
  })

  it('is never asked by run --once', async () => {
    const stage = new Stage({ once: 'joined' })
    await stage.run()
    assert.equal(stage.cluster.seen.length, 6)
  })

  it('degrades the node where policy wants it spent, and does no more', async () => {
    const stage = new Stage({ configuration: requiring('spent-token'), maxReports: 20_000 })
    await stage.runFor(2 * DAY_MS)
    assert.deepEqual([stage.status.state, stage.status.problem?.code], ['degraded', 'policy-violated'])
    assert.ok(stage.cluster.posts.length > 1, 'it was not renewed')
  })
})
