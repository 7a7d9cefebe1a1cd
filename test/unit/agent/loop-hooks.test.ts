import assert from 'node:assert/strict'
import { BootstrapError } from '../../../src/lib/errors.ts'
import type { ProcessEnd, ProcessRequest } from '../../../src/lib/ports.ts'
import { hookRecordPath } from '../../../src/store/hook-record.ts'
import { configurationWith, DAY_MS, HOUR_MS, MINUTE_MS } from './fixtures.ts'
import { pinless, Stage, type StageOptions } from './loop-stage.ts'

const configuration = configurationWith({
  discovery: pinless,
  hooks: {
    afterJoin: [{ command: ['/bin/announce', '--loudly'] }, { reloadOrRestart: ['kubelet.service'], timeout: '5m' }],
    afterRenew: [{ command: ['/bin/tell'] }],
  },
})

interface HookStage {
  stage: Stage
  ran: ProcessRequest[]
  /** The program of each, in order. */
  programs: () => string[]
}

/** A stage whose hooks end as `endOf` says; undefined is success. */
function stageWith(
  endOf: (program: string, count: number) => ProcessEnd | undefined,
  options: StageOptions = {},
): HookStage {
  const ran: ProcessRequest[] = []
  const stage = new Stage({
    configuration,
    processes: {
      run: (request) => {
        ran.push(request)
        request.onLine(`this is \u001b[31m${request.argv[0] ?? ''}`)
        return Promise.resolve(endOf(request.argv[0] ?? '', ran.length) ?? { kind: 'exited', status: 0 })
      },
    },
    ...options,
  })
  return { stage, ran, programs: () => ran.map(({ argv }) => argv[0] ?? '') }
}

describe('Loop: hooks', () => {
  it('are run after the join and after each renewal, when everything is in place, each once', async () => {
    const kubeconfigs: boolean[] = []
    const { stage, ran, programs } = stageWith(() => {
      kubeconfigs.push(stage.files.text('/etc/kubernetes/kubelet.conf') !== undefined)
      return undefined
    })
    await stage.runFor(2 * DAY_MS)
    assert.equal(stage.cluster.posts.length, 3)
    assert.deepEqual(programs(), ['/bin/announce', '/usr/bin/systemctl', '/bin/tell', '/bin/tell'])
    assert.deepEqual(ran[1]?.argv.slice(1), ['reload-or-restart', '--', 'kubelet.service'])
    assert.equal(ran[1].timeoutMs, 5 * MINUTE_MS)
    assert.ok(kubeconfigs.every(Boolean))
    assert.deepEqual(
      ran.map(({ environment }) => environment['NODE_BOOTSTRAP_EVENT']),
      ['joined', 'joined', 'renewed', 'renewed'],
    )
    const { NODE_BOOTSTRAP_FINGERPRINT: fingerprint, ...environment } = ran[0]?.environment ?? {}
    assert.match(fingerprint ?? '', /^SHA256:[0-9a-f]{64}$/)
    assert.deepEqual(environment, {
      NODE_BOOTSTRAP_EVENT: 'joined',
      NODE_BOOTSTRAP_CERTIFICATE_KIND: 'client',
      NODE_BOOTSTRAP_NODE: 'worker-1',
      NODE_BOOTSTRAP_SERVER: 'https://10.0.0.10:6443',
      NODE_BOOTSTRAP_KUBECONFIG: '/etc/kubernetes/kubelet.conf',
      NODE_BOOTSTRAP_CA: '/etc/kubernetes/pki/ca.crt',
      NODE_BOOTSTRAP_CERTIFICATE: '/var/lib/kubelet/pki/kubelet-client-current.pem',
      NODE_BOOTSTRAP_NOT_AFTER: '2026-11-24T12:00:00.000Z',
    })
    assert.ok(stage.lines.some(({ fields }) => fields['output'] === 'this is  [31m/bin/announce'))
    assert.equal(stage.status.state, 'healthy')
  })

  const ends: [ProcessEnd, string][] = [
    [{ kind: 'exited', status: 3 }, 'ended with status 3'],
    [{ kind: 'signalled', signal: 'SIGSEGV' }, 'was ended by SIGSEGV'],
    [{ kind: 'timed-out' }, 'was still running after 60 s'],
    [{ kind: 'not-started', reason: 'ENOENT' }, 'cannot be started (ENOENT)'],
  ]
  for (const [end, sentence] of ends)
    it(`that fail (${sentence}) are told and run again with backoff, alone, until they succeed`, async () => {
      const { stage, programs } = stageWith((program, count) =>
        program === '/bin/announce' && count < 6 ? end : undefined,
      )
      const problems = new Set<string>()
      stage.onReport = ({ state, problem }) => {
        if (problem !== undefined) problems.add(`${state} ${problem.code}: ${problem.message}`)
      }
      await stage.runFor(HOUR_MS)
      assert.deepEqual(programs(), ['/bin/announce', '/usr/bin/systemctl', ...Array<string>(4).fill('/bin/announce')])
      assert.deepEqual([...problems], [`degraded hook-failed: hooks.afterJoin[0] (/bin/announce) ${sentence}`])
      assert.equal(stage.status.state, 'healthy')
    })

  it('that stand there twice are run twice, and one that fails is run again alone', async () => {
    const twice = { command: ['/bin/announce'] }
    const { stage, programs } = stageWith(
      (_program, count) => (count === 1 ? { kind: 'exited', status: 1 } : undefined),
      {
        configuration: configurationWith({ discovery: pinless, hooks: { afterJoin: [twice, twice] } }),
      },
    )
    await stage.runFor(HOUR_MS)
    assert.deepEqual(programs(), Array<string>(3).fill('/bin/announce'))
    assert.equal(stage.status.state, 'healthy')
  })

  it('that never succeed hold no renewal up', async () => {
    const { stage } = stageWith(() => ({ kind: 'exited', status: 1 }), { maxReports: 20_000 })
    await stage.runFor(2 * DAY_MS)
    assert.equal(stage.cluster.posts.length, 3)
    assert.equal(stage.status.state, 'degraded')
    assert.notEqual(stage.status.certificate, undefined)
  })

  it('are run after a restart where the agent died before them, and not again where it did not', async () => {
    const first = stageWith(() => undefined)
    first.stage.files.fault = (method, path) => {
      if (method === 'createSynced' && path.includes('/var/lib/node-bootstrap/') && first.ran.length > 0)
        first.stage.stop()
    }
    first.stage.onReport = () => {
      // Dies when the kubeconfig stands and no hook has run.
      if (first.stage.files.text('/etc/kubernetes/kubelet.conf') !== undefined) first.stage.stop()
    }
    await first.stage.runFor(HOUR_MS)
    const { files, clock, cluster } = first.stage
    files.fault = () => undefined
    const before = first.ran.length
    const second = stageWith(() => undefined, { files, clock, cluster })
    await second.stage.runFor(HOUR_MS)
    assert.deepEqual([...first.programs(), ...second.programs()].slice(before), ['/bin/announce', '/usr/bin/systemctl'])
    const third = stageWith(() => undefined, { files, clock, cluster })
    await third.stage.runFor(HOUR_MS)
    assert.deepEqual(third.programs(), [])
    assert.equal(cluster.posts.length, 1)
  })

  it('are run again where their success could not be written down, and are then done', async () => {
    const { stage, programs } = stageWith(() => undefined)
    let faults = 2
    stage.files.fault = (method, path) => {
      if (method !== 'rename' || path !== hookRecordPath('/var/lib/node-bootstrap') || faults === 0) return
      faults -= 1
      throw new BootstrapError('storage-full', 'a test says so')
    }
    await stage.runFor(HOUR_MS)
    assert.deepEqual(programs(), ['/bin/announce', '/bin/announce', '/bin/announce', '/usr/bin/systemctl'])
    assert.equal(stage.status.state, 'healthy')
    assert.ok(!stage.lines.some(({ fields }) => fields['code'] === 'internal'))
  })

  it('let a renewal that falls due go before those that are left, which are then run for the new certificate', async () => {
    const { stage, ran } = stageWith((program) => {
      // Until after the renewal is due.
      if (program === '/bin/announce' && ran.length === 1) stage.clock.pass(0.95 * DAY_MS)
      return undefined
    })
    await stage.runFor(HOUR_MS)
    const fingerprints = ran.map(({ environment }) => environment['NODE_BOOTSTRAP_FINGERPRINT'])
    assert.equal(stage.cluster.posts.length, 2)
    assert.deepEqual(
      ran.map(({ argv }) => argv[0]),
      ['/bin/announce', '/bin/announce', '/usr/bin/systemctl'],
    )
    assert.notEqual(fingerprints[0], fingerprints[1])
    assert.equal(fingerprints[1], fingerprints[2])
  })

  it('are run as a new configuration has them from the next one on', async () => {
    const { stage, programs } = stageWith((program) => {
      if (program === '/bin/announce') stage.loop.reconfigure(configurationWith({ discovery: pinless }))
      return undefined
    })
    await stage.runFor(HOUR_MS)
    assert.deepEqual(programs(), ['/bin/announce'])
    assert.equal(stage.status.problem, undefined)
  })

  it('are not broken off by a new configuration', async () => {
    const aborted: boolean[] = []
    const { stage, ran } = stageWith(() => {
      stage.loop.reconfigure(configuration)
      aborted.push(ran.at(-1)?.signal.aborted ?? true)
      return undefined
    })
    await stage.runFor(HOUR_MS)
    assert.deepEqual(aborted, [false, false])
  })

  it('that reload the agent and fail are tried again after pauses, and hold no other hook up', async () => {
    const { stage, programs } = stageWith((program) => {
      if (program !== '/bin/announce') return undefined
      stage.loop.retryNow()
      return { kind: 'exited', status: 1 }
    })
    await stage.runFor(10 * MINUTE_MS)
    const runs = programs().filter((program) => program === '/bin/announce').length
    assert.ok(runs >= 2 && runs <= 60, String(runs))
    assert.equal(programs().length - runs, 1)
    assert.equal(stage.status.problem?.code, 'hook-failed')
  })

  it('leave no record where there are none', async () => {
    const { stage } = stageWith(() => undefined, { configuration: configurationWith({ discovery: pinless }) })
    await stage.runFor(HOUR_MS)
    assert.equal(stage.files.text(hookRecordPath('/var/lib/node-bootstrap')), undefined)
  })
})
