/** A key of the agent's own that others may read: it is told and protected in every phase, and never tried over and over. */
import assert from 'node:assert/strict'
import { overdueDeadline } from '../../../src/agent/rotation.ts'
import type { StatusBody } from '../../../src/agent/status.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { configurationWith, DAY_MS, HOUR_MS, MINUTE_MS } from './fixtures.ts'
import { pinless, Stage, type StageOptions } from './loop-stage.ts'

const STATE = '/var/lib/node-bootstrap'
const PENDING = `${STATE}/pending-request.pem`
const CURRENT = '/var/lib/kubelet/pki/kubelet-client-current.pem'
const AWAY = new BootstrapError('unreachable', 'away')

const linesAbout = ({ lines }: Stage, field: string, value: string): Stage['lines'] =>
  lines.filter(({ fields }) => fields[field] === value)

/** One open request that nobody decides on. */
function undecided(): Stage {
  const stage = new Stage({ maxReports: 50_000 })
  stage.cluster.verdict = 'leave'
  return stage
}

/** Another start on the same disk, with the same cluster. */
const restarted = ({ clock, files, cluster }: Stage, options: StageOptions = {}): Stage =>
  new Stage({ maxReports: 50_000, clock, files, cluster, ...options })

interface Phase {
  name: string
  /** A stage whose node is in that phase, with a pending-request.pem, after ten minutes. */
  stage: () => Stage | Promise<Stage>
  isIn: (status: StatusBody) => boolean
}

const phases: readonly Phase[] = [
  {
    name: 'its request waits for approval',
    stage: undecided,
    isIn: ({ step, request }) => step === 'approval' && request?.createdAt !== undefined,
  },
  {
    name: 'its certificate is in place and has not been accepted yet',
    stage: () => {
      const stage = new Stage({ maxReports: 50_000 })
      stage.cluster.fault = ({ requester }) => (requester === 'node' ? AWAY : undefined)
      return stage
    },
    isIn: ({ state, certificate }) => state === 'waiting' && certificate !== undefined,
  },
  {
    name: 'its request was denied',
    stage: () => {
      const stage = new Stage({ maxReports: 50_000 })
      stage.cluster.verdict = 'deny'
      return stage
    },
    isIn: ({ problem }) => problem?.code === 'csr-denied',
  },
  {
    name: 'its renewal was denied, and the certificate before is in force',
    stage: async () => {
      const stage = new Stage({ maxReports: 50_000 })
      await stage.runFor(HOUR_MS)
      stage.cluster.verdict = 'deny'
      stage.clock.afterSleep = () => undefined
      stage.clock.pass(0.9 * DAY_MS)
      return restarted(stage)
    },
    isIn: ({ problem, certificate }) => problem?.code === 'csr-denied' && certificate !== undefined,
  },
  {
    name: 'policy.require forbids to go on',
    stage: async () => {
      const before = undecided()
      await before.runFor(MINUTE_MS)
      before.clock.afterSleep = () => undefined
      return restarted(before, {
        configuration: configurationWith({ discovery: pinless, policy: { require: ['pinned'] } }),
      })
    },
    isIn: ({ problem }) => problem?.code === 'policy-violated',
  },
  {
    name: 'its cluster is not known any more, and cannot be discovered',
    stage: async () => {
      const before = undecided()
      await before.runFor(MINUTE_MS)
      before.clock.afterSleep = () => undefined
      await before.files.remove(`${STATE}/cluster.json`)
      before.cluster.fault = () => AWAY
      return restarted(before)
    },
    isIn: ({ step, problem }) => step === 'cluster' && problem?.code === 'unreachable',
  },
]

describe('Loop: a pending-request.pem that others may read', () => {
  for (const { name, stage: staged, isIn } of phases)
    it(`is told once and written again, with the same key, while ${name}`, async () => {
      const stage = await staged()
      const endMs = stage.clock.monotonicMs() + 10 * MINUTE_MS
      let key: string | undefined
      stage.clock.afterSleep = () => {
        const entry = stage.files.entries.get(PENDING)
        if (key !== undefined || stage.clock.monotonicMs() < endMs || entry === undefined || !isIn(stage.status)) return
        key = stage.files.text(PENDING)
        entry.mode = 0o644
      }
      const posts = stage.cluster.posts.length
      await stage.runFor(HOUR_MS)
      assert.ok(key !== undefined, `it was never in that phase: ${JSON.stringify(stage.status)}`)
      assert.equal(linesAbout(stage, 'oddity', 'pending-request-readable-by-others').length, 1)
      assert.equal(linesAbout(stage, 'path', PENDING).length, 1)
      assert.equal(linesAbout(stage, 'code', 'internal').length, 0)
      const after = stage.files.entries.get(PENDING)
      assert.equal(after?.mode ?? 0o600, 0o600)
      if (name.startsWith('its renewal')) return
      assert.equal(stage.files.text(PENDING), key)
      assert.ok(stage.cluster.posts.length - posts <= 1)
    })
})

describe('Loop: a pair that others may read', () => {
  it('is no younger once it is written again: a renewal that is late stays late, and is not put off', async () => {
    const before = new Stage({ maxReports: 50_000 })
    before.cluster.certificateMs = HOUR_MS
    await before.runFor(MINUTE_MS)
    const { renewAt, notAfter, installedAt } = before.status.certificate ?? {}
    const lateAtMs = overdueDeadline(Date.parse(renewAt ?? ''), Date.parse(notAfter ?? ''))
    before.clock.afterSleep = () => undefined
    before.cluster.verdict = 'leave'
    const stage = restarted(before)
    const pair = [...stage.files.entries].find(([path]) => path.includes('kubelet-client-2'))?.[1]
    stage.clock.afterSleep = () => {
      if (stage.clock.nowMs() < lateAtMs || pair === undefined) return
      if (pair.mode === 0o644) stage.stop()
      pair.mode = 0o644
    }
    const protectedStates: unknown[] = []
    stage.onReport = ({ state, problem, certificate }) => {
      if (stage.clock.nowMs() < lateAtMs) return
      protectedStates.push([state, problem?.code, certificate?.renewAt, certificate?.installedAt])
    }
    await stage.run()
    assert.equal(linesAbout(stage, 'oddity', 'readable-by-others').length, 1)
    assert.deepEqual(protectedStates.at(-1), ['degraded', 'renewal-not-approved', renewAt, installedAt])
    assert.ok(protectedStates.every((each) => (each as unknown[])[2] === renewAt))
  })
})

describe('Loop: where a file that others may read cannot be written', () => {
  const KUBECONFIG = '/etc/kubernetes/kubelet.conf'

  /** Its kubeconfig can be read by others from the first hour on, and that of /etc cannot be changed for two days. */
  function withReadOnlyEtc(): Stage {
    const stage = new Stage({ maxReports: 50_000 })
    const beganMs = stage.clock.monotonicMs()
    const passedMs = (): number => stage.clock.monotonicMs() - beganMs
    stage.files.fault = (method, path) => {
      if (method === 'createSynced' && path.startsWith('/etc/') && passedMs() > HOUR_MS && passedMs() < 2 * DAY_MS)
        throw new BootstrapError('storage-read-only', `${path} cannot be written (EROFS)`)
    }
    stage.clock.afterSleep = () => {
      const entry = stage.files.entries.get(KUBECONFIG)
      if (entry !== undefined && passedMs() > HOUR_MS && passedMs() < 2 * HOUR_MS) entry.mode = 0o644
    }
    return stage
  }

  it('the renewal comes all the same, and the status says what others may read', async () => {
    const stage = withReadOnlyEtc()
    await stage.runFor(1.5 * DAY_MS)
    assert.ok(stage.cluster.posts.length >= 2)
    const { state, joined, problem } = stage.status
    assert.deepEqual([state, joined, problem?.code], ['degraded', true, 'storage-read-only'])
    assert.match(problem?.nextAttemptAt ?? '', /^2026-/)
  })

  it('it is tried at most every half an hour in the long run, and done within an hour of when it can be', async () => {
    const stage = withReadOnlyEtc()
    await stage.runFor(2 * DAY_MS + HOUR_MS)
    const tried = linesAbout(stage, 'code', 'storage-read-only').length
    assert.ok(tried >= 40 && tried <= 125, String(tried))
    assert.equal(stage.files.entries.get(KUBECONFIG)?.mode, 0o600)
    assert.equal(stage.status.state, 'healthy')
  })
})

describe('Loop: on a file system that keeps no modes', () => {
  const withServing = configurationWith({ discovery: pinless, certificate: { serving: { addresses: ['10.0.0.21'] } } })

  /** For two days, so with a renewal. */
  async function modeless(options: StageOptions = {}): Promise<Stage> {
    const stage = new Stage({ configuration: withServing, maxReports: 50_000, ...options })
    stage.files.bitsOfAll = 0o055
    stage.cluster.servingVerdict = 'approve'
    await stage.runFor(2 * DAY_MS)
    return stage
  }

  it('a node joins and renews, and each key that others may read is one finding, told once and never as a defect', async () => {
    const stage = await modeless()
    assert.equal(stage.status.state, 'healthy')
    assert.ok(stage.cluster.posts.length >= 4)
    const found = stage.status.findings.filter(({ id }) => id === 'key-unprotected').map(({ seen }) => seen)
    assert.ok(
      found.every((seen) => /^\/var\/lib\/kubelet\/pki\/kubelet-(client|server)-2/.test(seen)),
      found.join(),
    )
    assert.equal(found.length, 4)
    assert.equal(linesAbout(stage, 'finding', 'key-unprotected').length, 1)
    assert.equal(linesAbout(stage, 'code', 'internal').length, 0)
    assert.deepEqual(stage.messages('error'), [])
  })

  it('what holds no key and that others may read all the same is a finding, and no line says that it was mended', async () => {
    const stage = await modeless()
    const found = stage.status.findings.filter(({ id }) => id === 'credential-unprotected').map(({ seen }) => seen)
    assert.deepEqual(
      found.map((seen) => seen.split(' ')[0]),
      [`${STATE}/cluster.json`, '/etc/kubernetes/kubelet.conf'],
    )
    assert.equal(linesAbout(stage, 'finding', 'credential-unprotected').length, 1)
    assert.ok(!stage.messages('info').includes('a file can be read by its owner alone again'))
    const said = stage.messages('warn').filter((message) => message.includes('is written again with mode 0600'))
    assert.ok(said.length > 0)
    for (const message of said) assert.match(message, /where its file system keeps modes/)
  })

  it('policy.require: [private-keys] is about keys alone', async () => {
    const stage = new Stage({
      configuration: configurationWith({ discovery: pinless, policy: { require: ['private-keys'] } }),
      maxReports: 50_000,
    })
    stage.files.bitsOf = (path) => (path === `${STATE}/cluster.json` ? 0o055 : 0)
    await stage.runFor(HOUR_MS)
    assert.equal(stage.status.state, 'healthy')
    assert.deepEqual(
      stage.status.findings.filter(({ id }) => id.endsWith('-unprotected')).map(({ id }) => id),
      ['credential-unprotected'],
    )
  })

  it('policy.require: [private-keys] keeps a machine from joining, and says why', async () => {
    const stage = await modeless({
      configuration: configurationWith({ discovery: pinless, policy: { require: ['private-keys'] } }),
    })
    assert.equal(stage.status.problem?.code, 'policy-violated')
    assert.match(stage.status.problem.message, /^policy\.require: private-keys is not met: .*can be read by others/)
    assert.equal(stage.files.text(CURRENT), undefined)
  })

  it('a key is protected again once its files can be, when the operator asks', async () => {
    const stage = new Stage({ maxReports: 50_000 })
    stage.files.bitsOfAll = 0o055
    stage.clock.afterSleep = () => {
      if (stage.clock.monotonicMs() < HOUR_MS || stage.files.bitsOfAll === 0) return
      stage.files.bitsOfAll = 0
      for (const entry of stage.files.entries.values()) if (entry.kind === 'file') entry.mode |= 0o055
      stage.loop.retryNow()
    }
    await stage.runFor(2 * HOUR_MS)
    assert.deepEqual(
      stage.status.findings.filter(({ id }) => id === 'key-unprotected'),
      [],
    )
    assert.equal(stage.files.entries.get(stage.files.entries.get(CURRENT)?.target ?? '')?.mode, 0o600)
    assert.equal(stage.status.state, 'healthy')
  })
})
