import assert from 'node:assert/strict'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { statusResponse, type Fault, type SeenRequest } from './fakes.ts'
import { configurationWith, HOUR_MS, MINUTE_MS, NOW_MS } from './fixtures.ts'
import { pinless, renewAsAnother, Stage, type StageOptions } from './loop-stage.ts'

const CURRENT = '/var/lib/kubelet/pki/kubelet-client-current.pem'
const KUBECONFIG = '/etc/kubernetes/kubelet.conf'
const PENDING = '/var/lib/node-bootstrap/pending-request.pem'
const UNAUTHORIZED = statusResponse(401, 'Unauthorized')
const AWAY = new BootstrapError('unreachable', 'away')

const isTrial = ({ requester, path }: SeenRequest): boolean => requester === 'node' && path.includes('/nodes/')

const configuration = configurationWith({
  discovery: pinless,
  hooks: { afterJoin: [{ command: ['/bin/announce'] }] },
  certificate: { serving: { addresses: ['10.0.0.21'] } },
})

/** A stage where the first use of the certificate fares as `fault` says. */
function stageWhere(fault: (atMs: number) => Fault, options: StageOptions = {}): { stage: Stage; ran: () => number } {
  let ran = 0
  const processes = {
    run: () => {
      ran += 1
      return Promise.resolve({ kind: 'exited', status: 0 } as const)
    },
  }
  const stage = new Stage({ configuration, processes, maxReports: 50_000, ...options })
  stage.cluster.servingVerdict = 'approve'
  stage.cluster.fault = (seen) => (seen.requester === 'node' ? fault(seen.atMs) : undefined)
  return { stage, ran: () => ran }
}

const states = ({ reports }: Stage): string[] => [...new Set(reports.map(({ state }) => state))]

describe('Loop: a first certificate', () => {
  it('is in place before it is tried out, and its request is forgotten only then', async () => {
    const { stage } = stageWhere(() => {
      assert.ok(stage.files.text(CURRENT) !== undefined && stage.files.text(KUBECONFIG) !== undefined)
      assert.equal(stage.status.state === 'waiting', stage.files.text(PENDING) !== undefined)
      return undefined
    })
    await stage.runFor(MINUTE_MS)
    assert.equal(stage.status.state, 'healthy')
    assert.equal(stage.files.text(PENDING), undefined)
    assert.ok(!stage.lines.some(({ fields }) => fields['oddity'] === 'left-over'))
  })

  const ways: [string, Fault, string][] = [
    ['cannot be tried out, for the API server is away,', AWAY, 'unreachable'],
    ['is refused', UNAUTHORIZED, 'identity-not-accepted'],
  ]
  for (const [what, fault, code] of ways)
    it(`that ${what} is kept and tried again, with no hook run and nothing asked for as the node`, async () => {
      let endMs = Infinity
      const { stage, ran } = stageWhere((atMs) => (atMs < endMs ? fault : undefined))
      endMs = stage.clock.nowMs() + MINUTE_MS
      let installed: string | undefined
      stage.onReport = ({ state }) => {
        installed ??= stage.files.text(CURRENT)
        if (stage.clock.nowMs() < endMs) assert.deepEqual([state, ran()], ['waiting', 0])
        if (ran() > 0) stage.stop()
      }
      await stage.runFor(HOUR_MS)
      assert.equal(ran(), 1)
      assert.equal(stage.files.text(CURRENT), installed)
      assert.ok(stage.reports.some(({ problem }) => problem?.code === code))
      assert.ok(stage.cluster.posts.every(({ atMs, requester }) => requester === 'bootstrap' || atMs >= endMs))
    })

  it('is no other after a restart: it is tried out, with no new request', async () => {
    const { stage } = stageWhere(() => AWAY)
    await stage.runFor(10 * MINUTE_MS)
    const installed = stage.files.text(CURRENT)
    const { clock, files, cluster } = stage
    clock.afterSleep = () => undefined
    const { stage: after } = stageWhere(() => AWAY, { clock, files, cluster })
    await after.runFor(10 * MINUTE_MS)
    assert.deepEqual(states(after), ['waiting'])
    cluster.fault = () => undefined
    const again = new Stage({ clock, files, cluster, configuration })
    again.onReport = ({ state }) => {
      if (state === 'healthy') again.stop()
    }
    await again.run()
    assert.equal(files.text(CURRENT), installed)
    assert.equal(cluster.posts.filter(({ requester }) => requester === 'bootstrap').length, 1)
  })

  it('is not what a renewal has put in its place, also where a crash left the request behind', async () => {
    const stage = new Stage()
    stage.cluster.certificateMs = HOUR_MS
    stage.files.fault = (method, path) => {
      if (method !== 'remove' || path !== PENDING || stage.cluster.posts.length !== 2) return
      stage.stop()
      throw new BootstrapError('storage-failed', 'killed')
    }
    await stage.runFor(2 * HOUR_MS)
    assert.notEqual(stage.files.text(PENDING), undefined)
    stage.files.fault = () => undefined
    const { clock, files, cluster } = stage
    clock.afterSleep = () => undefined
    cluster.fault = () => AWAY
    const after = new Stage({ clock, files, cluster })
    await after.runFor(10 * MINUTE_MS)
    assert.equal(after.status.state, 'degraded')
    assert.equal(files.text(PENDING), undefined)
  })

  it('that the kubelet renews before it was tried out leaves no key behind', async () => {
    const certificate = { rotation: { owner: 'kubelet' } }
    const endMs = NOW_MS + 10 * MINUTE_MS
    const { stage } = stageWhere((atMs) => (atMs < endMs ? AWAY : undefined), {
      configuration: configurationWith({ discovery: pinless, certificate }),
    })
    stage.clock.afterSleep = () => {
      if (stage.clock.nowMs() < endMs) renewAsAnother(stage, 'kubelet-client', { notAfterMs: endMs + 10 * HOUR_MS })
    }
    await stage.runFor(HOUR_MS)
    assert.equal(stage.status.state, 'healthy')
    assert.equal(stage.files.text(PENDING), undefined)
  })

  it('says what keeps it from being accepted, and what policy forbids beside that', async () => {
    const { stage } = stageWhere(() => AWAY)
    await stage.runFor(MINUTE_MS / 2)
    const { clock, files, cluster } = stage
    const forbidding = configurationWith({ discovery: pinless, policy: { require: ['pinned'] } })
    const after = new Stage({ configuration: forbidding, clock, files, cluster })
    clock.afterSleep = () => undefined
    await after.runFor(MINUTE_MS / 2)
    assert.equal(after.status.problem?.code, 'unreachable')
    assert.match(after.status.summary, /has not accepted it yet: away; and policy\.require: pinned is not met/)
  })

  it('that lapses before it could be tried out is replaced as a lost one is', async () => {
    const { stage } = stageWhere((atMs) => (atMs < endMs ? AWAY : undefined))
    stage.cluster.certificateMs = HOUR_MS
    const endMs = stage.clock.nowMs() + HOUR_MS + MINUTE_MS
    stage.onReport = ({ state }) => {
      if (stage.clock.nowMs() < endMs) assert.equal(state, 'waiting')
    }
    await stage.runFor(HOUR_MS + 10 * MINUTE_MS)
    const bootstrapped = stage.cluster.posts.filter(({ requester }) => requester === 'bootstrap')
    assert.equal(bootstrapped.length, 2)
    assert.ok((bootstrapped[1]?.atMs ?? 0) - (bootstrapped[0]?.atMs ?? 0) >= HOUR_MS)
    assert.equal(stage.status.state, 'healthy')
  })
})

describe('Loop: a first certificate, once', () => {
  it('is tried out by one request, which is the last', async () => {
    const { stage, ran } = stageWhere(() => undefined, {
      once: 'joined',
      configuration: configurationWith({ discovery: pinless }),
    })
    await stage.run()
    assert.deepEqual(states(stage), ['waiting', 'healthy'])
    assert.equal(ran(), 0)
    assert.equal(stage.cluster.seen.length, 6)
    assert.equal(stage.cluster.seen.filter(isTrial).length, 1)
  })

  it('that cannot be tried out is the end after discovery.timeout, and stays for the next run', async () => {
    const { stage } = stageWhere(() => AWAY, { once: 'joined' })
    await assert.rejects(stage.run(), { code: 'unreachable' })
    assert.ok(!states(stage).includes('healthy'))
    const installed = stage.files.text(CURRENT)
    const { clock, files, cluster } = stage
    const { stage: after, ran } = stageWhere(() => undefined, { clock, files, cluster, once: 'joined' })
    await after.run()
    assert.deepEqual([after.status.state, ran(), files.text(CURRENT)], ['degraded', 1, installed])
    assert.equal(cluster.posts.filter(({ requester }) => requester === 'bootstrap').length, 1)
  })

  it('that is refused is the end with the code that says so', async () => {
    const { stage, ran } = stageWhere(() => UNAUTHORIZED, { once: 'joined' })
    await assert.rejects(stage.run(), { code: 'identity-not-accepted' })
    assert.deepEqual([states(stage).includes('healthy'), states(stage).includes('degraded'), ran()], [false, false, 0])
  })

  it('of an earlier run that is refused now is the end, too', async () => {
    const before = new Stage({ once: 'joined' })
    await before.run()
    const { clock, files, cluster } = before
    const { stage } = stageWhere(() => UNAUTHORIZED, { clock, files, cluster, once: 'joined' })
    await assert.rejects(stage.run(), { code: 'identity-not-accepted' })
    assert.ok(!states(stage).includes('healthy'))
  })
})
