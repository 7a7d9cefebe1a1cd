import assert from 'node:assert/strict'
import type { StatusBody } from '../../../src/agent/status.ts'
import { errorCodes, type ErrorCode } from '../../../src/lib/error-codes.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import type { Files } from '../../../src/lib/ports.ts'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import { FakeCluster, jsonResponse, statusResponse, type Fault, type SeenRequest } from './fakes.ts'
import { configurationWith, DAY_MS, HOUR_MS, MINUTE_MS, NOW_MS } from './fixtures.ts'
import { pinless, Stage } from './loop-stage.ts'

const CURRENT = '/var/lib/kubelet/pki/kubelet-client-current.pem'
const PENDING = '/var/lib/node-bootstrap/pending-request.pem'

describe('Loop: joining', () => {
  it('goes from nothing to a published certificate with one request, and then rests', async () => {
    const stage = new Stage()
    await stage.runFor(HOUR_MS / 2)
    assert.deepEqual(
      stage.reports.map(({ step }) => step).filter((step, index, all) => step !== all[index - 1]),
      ['cluster', 'key', 'request', 'approval', 'certificate', 'kubeconfig', undefined],
    )
    assert.equal(stage.status.state, 'healthy')
    assert.equal(stage.cluster.posts.length, 1)
    // cluster-info twice, the version, the request and its watch; then the recheck: nothing else.
    assert.deepEqual(
      stage.cluster.seen.slice(5, 7).map(({ path, requester }) => `${requester} ${path}`),
      ['node /api/v1/nodes/worker-1', 'anonymous /api/v1/namespaces/kube-public/configmaps/cluster-info'],
    )
    assert(stage.cluster.seen.slice(0, 5).every(({ requester }) => requester !== 'node'))
    assert.equal(stage.files.text(PENDING), undefined)
  })

  it('sends no credential before the cluster is verified', async () => {
    const stage = new Stage()
    await stage.runFor(MINUTE_MS)
    const [first, second] = stage.cluster.seen
    assert.deepEqual([first?.requester, second?.requester], ['anonymous', 'anonymous'])
  })

  it('never rests longer than a minute at a time', async () => {
    const stage = new Stage()
    await stage.runFor(HOUR_MS)
    assert.equal(Math.max(...stage.clock.sleeps), MINUTE_MS)
    assert.equal(stage.clock.sleeps.length, 60)
  })

  it('is quiet once it has rested a minute since it last did something, and once for each time', async () => {
    const stage = new Stage()
    let sleeps = 0
    stage.clock.afterSleep = () => {
      sleeps += 1
      if (sleeps === 3) stage.loop.retryNow()
    }
    const beganMs = stage.clock.monotonicMs()
    // Woken in the third minute; ten minutes after that it asks about the token.
    await stage.runFor(15 * MINUTE_MS)
    assert.deepEqual(
      stage.quietAtMs.map((ms) => (ms - beganMs) / MINUTE_MS),
      [1, 4, 14],
    )
  })

  it('notices within a minute of waking that the machine slept through its renewal', async () => {
    const stage = new Stage()
    let stepped = false
    stage.clock.afterSleep = () => {
      if (!stepped) stage.clock.step(0.95 * DAY_MS)
      stepped = true
    }
    await stage.runFor(3 * MINUTE_MS)
    assert.equal(stage.cluster.posts.length, 2)
    assert.equal(stage.status.state, 'healthy')
  })

  it('says once that it has joined, not at every look', async () => {
    const stage = new Stage()
    await stage.runFor(HOUR_MS)
    assert.equal(stage.messages('info').filter((message) => message === 'joined').length, 1)
  })
})

describe('Loop: failures', () => {
  /** A fault of each kind, at each of the places where the cluster can answer. */
  const transport = (Object.keys(errorCodes) as ErrorCode[]).map((code): [string, () => Fault] => [
    `error ${code}`,
    () => new BootstrapError(code, `a test said ${code}`),
  ])
  const answers: [string, () => Fault][] = [
    ...[301, 400, 401, 403, 404, 405, 409, 410, 418, 422, 429, 500, 502, 503, 504].map(
      (status): [string, () => Fault] => [`status ${status}`, () => statusResponse(status, 'a test said so')],
    ),
    ['status 200 without JSON', () => ({ status: 200, headers: {}, body: Buffer.from('<html>') })],
    ['JSON of something else', () => jsonResponse(200, { kind: 'PodList', items: [] })],
    ['JSON null', () => jsonResponse(200, null)],
  ]
  const places: [string, (seen: SeenRequest) => boolean][] = [
    ['cluster-info', ({ path }) => path.includes('cluster-info')],
    ['/version', ({ path }) => path === '/version'],
    ['the submission', ({ method }) => method === 'POST'],
    ['the watch', ({ isWatch }) => isWatch],
  ]

  for (const [place, isThere] of places)
    it(`are retried at most twice a minute in the long run at ${place}, whatever the fault, and never given up`, async () => {
      for (const [what, fault] of [...transport, ...answers]) {
        const thrown = fault()
        // Only discovery throws what may lag.
        if (place !== 'cluster-info' && thrown instanceof BootstrapError && thrown.retryable === 'until-deadline')
          continue
        const stage = new Stage()
        let attempts = 0
        stage.cluster.verdict = 'leave'
        // A server that is happy with /version in any form is no failure.
        stage.cluster.fault = (seen) => {
          if (!isThere(seen)) return undefined
          attempts += 1
          return fault()
        }
        if (place === '/version') stage.onReport = stopAt(stage, 'approval')
        await stage.runFor(2 * HOUR_MS)
        if (stage.status.step === 'approval' && place === '/version') continue
        assert.ok(attempts >= 8, `${place}, ${what}: ${attempts} attempts`)
        assert.ok(attempts <= 240, `${place}, ${what}: ${attempts} attempts`)
        assert.equal(stage.cluster.requests.length <= 1, true, `${place}, ${what}: requests`)
      }
    }).timeout(300_000)

  const stopAt = (stage: Stage, step: string) => (status: StatusBody) => {
    if (status.step === step) stage.stop()
  }

  const watches: [string, (name: string) => Iterable<unknown>][] = [
    ['ends at once', () => []],
    ['says 410 at once', () => [{ type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old' } }]],
    ['says 500 at once', () => [{ type: 'ERROR', object: { kind: 'Status', code: 500, message: 'etcd' } }]],
    ['says DELETED at once', () => [{ type: 'DELETED', object: {} }]],
    ['speaks of an unknown type', () => [{ type: 'CONFUSED', object: {} }]],
    ['sends no object', () => [{ type: 'MODIFIED', object: {} }]],
    ['sends no event', () => [17]],
  ]
  for (const [what, lines] of watches)
    it(`are not a tight loop where every watch ${what}`, async () => {
      const stage = new Stage()
      stage.cluster.verdict = 'leave'
      stage.cluster.watchLines = lines
      await stage.runFor(2 * HOUR_MS)
      const count = stage.cluster.seen.filter(({ isWatch }) => isWatch).length
      assert.ok(count >= 8 && count <= 240, `${count} watches`)
      assert.equal(stage.cluster.requests.length, 1)
    })

  it('are not a tight loop where somebody deletes every request as soon as it is there', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'leave'
    stage.cluster.watchLines = () => {
      for (const { name } of [...stage.cluster.requests]) stage.cluster.delete(name)
      return [{ type: 'DELETED', object: {} }]
    }
    await stage.runFor(2 * HOUR_MS)
    assert.ok(stage.cluster.posts.length >= 8 && stage.cluster.posts.length <= 240, `${stage.cluster.posts.length}`)
  })

  const effects: (keyof Files)[] = [
    'read',
    'stat',
    'list',
    'makeDirectory',
    'createSynced',
    'rename',
    'symlink',
    'remove',
    'syncDirectory',
  ]
  for (const effect of effects)
    for (const code of ['storage-full', 'storage-malformed'] as const)
      it(`are not a tight loop where no ${effect} succeeds (${code}), and end when the disk is well again`, async () => {
        const stage = new Stage()
        let failed = 0
        stage.files.fault = (method, path) => {
          if (method !== effect || stage.clock.monotonicMs() > 2 * HOUR_MS) return
          failed += 1
          throw new BootstrapError(code, `${path} cannot be used`)
        }
        await stage.runFor(3 * HOUR_MS)
        // One look may find several files, and the report of a failure looks again.
        assert.ok(failed >= 8 && failed <= 1000, `${failed} failures`)
        assert.ok(stage.cluster.posts.length <= 1)
        assert.equal(stage.status.state, 'healthy')
      })

  it('wait as long as the server asks', async () => {
    const stage = new Stage()
    stage.cluster.fault = ({ path }) =>
      path.includes('cluster-info') ? statusResponse(429, 'busy', { 'retry-after': '300' }) : undefined
    await stage.runFor(2 * HOUR_MS)
    const times = stage.cluster.seen.map(({ atMs }) => atMs)
    assert.ok(times.length >= 8)
    for (const [index, atMs] of times.entries())
      assert.ok(index === 0 || atMs - (times[index - 1] ?? 0) >= 300_000, String(atMs))
  })

  it('are told with code, hint and next attempt, and forgotten when something succeeds', async () => {
    const stage = new Stage()
    let faults = 3
    stage.cluster.fault = ({ path }) =>
      path.includes('cluster-info') && (faults -= 1) >= 0
        ? new BootstrapError('unreachable', 'nobody answers')
        : undefined
    await stage.runFor(MINUTE_MS)
    const failed = stage.reports.find(({ problem }) => problem !== undefined)
    assert.equal(failed?.problem?.code, 'unreachable')
    assert.notEqual(failed.problem.hint, '')
    assert.ok(Date.parse(failed.problem.nextAttemptAt ?? '') > 0)
    assert.equal(stage.status.problem, undefined)
    assert.deepEqual(stage.messages('warn').filter((message) => message === 'nobody answers').length, 3)
  })

  it('of a watch are forgotten as soon as the cluster answers again, not when the next watch ends', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'leave'
    let broken = false
    stage.cluster.fault = ({ isWatch }) => {
      if (!isWatch || broken) return undefined
      broken = true
      return new BootstrapError('unreachable', 'the API server restarts')
    }
    stage.onReport = ({ step }) => {
      if (broken && step === 'approval')
        setImmediate(() => {
          stage.stop()
        })
    }
    await stage.run()
    assert.equal(stage.status.step, 'approval')
    assert.equal(stage.status.problem, undefined)
    assert.match(stage.status.summary, /^waiting for approval/)
    assert.equal(stage.cluster.requests.length, 1)
  })

  it('of a watch over a restart of the API server are over with one look, though it forgot the past', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'leave'
    let approvals = 0
    stage.onReport = ({ step }) => {
      if (step !== 'approval') return
      approvals += 1
      const [request] = stage.cluster.requests
      setImmediate(() => {
        if (approvals === 1) stage.cluster.restart()
        else if (request?.conditions.length === 0) stage.cluster.settle(request.name, 'approve')
      })
    }
    await stage.runFor(HOUR_MS)
    assert.equal(stage.status.state, 'healthy')
    assert.equal(stage.cluster.seen.filter(({ isWatch }) => isWatch).length, 2)
    assert.equal(stage.cluster.requests.length, 1)
    assert.ok(!stage.lines.some(({ fields }) => fields['code'] === 'expired'))
  })

  it('are none where watches end as they do: the next begins where the last bookmark was', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'leave'
    stage.cluster.watchLines = () => {
      const watches = stage.cluster.seen.filter(({ isWatch }) => isWatch).length
      stage.clock.pass(5 * MINUTE_MS)
      if (watches === 4) stage.stop()
      return watches < 3 ? [{ type: 'BOOKMARK', object: { metadata: { resourceVersion: `77${watches}` } } }] : []
    }
    await stage.run()
    const begins = stage.cluster.seen.filter(({ isWatch }) => isWatch).map(({ resourceVersion }) => resourceVersion)
    assert.deepEqual(begins, ['101', '771', '772', '772'])
    assert.equal(stage.cluster.posts.length, 1)
    assert.deepEqual(stage.clock.sleeps, [])
  })

  it('have their full time to heal, however long the agent had rested before', async () => {
    const stage = new Stage()
    let rested = 0
    let attempts = 0
    stage.clock.afterSleep = () => {
      rested += 1
      if (rested !== 30) return
      stage.files.entries.delete('/var/lib/node-bootstrap/cluster.json')
      stage.cluster.fault = ({ path }) => {
        if (!path.includes('cluster-info')) return undefined
        attempts += 1
        return attempts < 10 ? new BootstrapError('token-unknown', 'not signed yet') : undefined
      }
    }
    await stage.runFor(33 * MINUTE_MS)
    assert.ok(attempts >= 10, `${attempts} attempts`)
    assert.equal(stage.status.state, 'healthy')
  })

  it('of a disk that is held back for a person do not hold a SIGHUP back', async () => {
    const stage = new Stage()
    let slept = 0
    let attempts = 0
    stage.cluster.fault = ({ path }) => {
      if (!path.includes('cluster-info')) return undefined
      attempts += 1
      return new BootstrapError('ca-missing', 'no CA')
    }
    stage.clock.afterSleep = () => {
      slept += 1
      if (slept === 1) stage.loop.retryNow()
    }
    await stage.runFor(20 * MINUTE_MS)
    assert.ok(attempts >= 2)
  })
})

/** A sleep that ends by its signal alone, and the moment in which it began. */
function sleeping(stage: Stage): Promise<void> {
  return new Promise((asleep) => {
    stage.clock.afterSleep = (_ms, signal) =>
      new Promise((awake) => {
        signal.addEventListener('abort', () => {
          awake()
        })
        asleep()
      })
  })
}

describe('Loop: being woken', () => {
  it('takes a changed configuration up in the middle of a backoff', async () => {
    const stage = new Stage()
    stage.cluster.fault = ({ path }) =>
      path.includes('cluster-info') ? new BootstrapError('ca-missing', 'no CA') : undefined
    const asleep = sleeping(stage)
    const running = stage.run()
    await asleep
    stage.cluster.fault = () => undefined
    const again = sleeping(stage)
    stage.loop.reconfigure(configurationWith({ discovery: pinless, node: { name: 'worker-2' } }))
    await again
    assert.equal(stage.status.node, 'worker-2')
    assert.equal(stage.status.state, 'healthy')
    stage.stop()
    await running
  })

  it('takes a changed configuration up in the middle of a watch', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'leave'
    let changed = false
    stage.onReport = ({ step }) => {
      if (step !== 'approval') return
      setImmediate(() => {
        if (changed) stage.stop()
        else stage.loop.reconfigure(configurationWith({ discovery: pinless, node: { name: 'worker-2' } }))
        changed = true
      })
    }
    await stage.run()
    assert.equal(stage.cluster.requests.length, 1)
    assert.equal(stage.status.node, 'worker-2')
    assert.equal(stage.status.request?.outdated, 'it is not for the node worker-2')
  })

  it('asks another cluster for the request that was pending in the first one', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'leave'
    const other = new FakeCluster(stage.clock, 'https://10.0.0.99:6443', createCertificateAuthority())
    let changed = false
    stage.onReport = ({ step }) => {
      if (step !== 'approval' || changed) return
      changed = true
      setImmediate(() => {
        stage.cluster.request = (request) => other.request(request)
        stage.cluster.stream = (request) => other.stream(request)
        stage.loop.reconfigure(
          configurationWith({
            discovery: { ...pinless, ...{ token: { ...(pinless['token'] as object), endpoints: ['10.0.0.99:6443'] } } },
          }),
        )
      })
    }
    other.verdict = 'approve'
    let turns = 0
    const afterReport = stage.onReport
    stage.onReport = (status) => {
      afterReport(status)
      if (changed && (turns += 1) > 30) stage.stop()
    }
    await stage.runFor(MINUTE_MS)
    assert.equal(other.posts.length, 1)
    assert.equal(stage.status.state, 'healthy')
  })

  it('stops at once in a sleep', async () => {
    const stage = new Stage()
    const asleep = sleeping(stage)
    const running = stage.run()
    await asleep
    stage.stop()
    await running
  })

  it('stops at once in a watch', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'leave'
    stage.onReport = ({ step }) => {
      if (step === 'approval')
        setImmediate(() => {
          stage.stop()
        })
    }
    await stage.run()
    assert.deepEqual(stage.messages('error'), [])
    assert.deepEqual(
      stage.messages('warn').filter((message) => !message.startsWith('discovery.token has neither')),
      [],
    )
  })
})

describe('Loop: refusals', () => {
  it('never ask again by themselves, not in days and not after a restart', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'deny'
    // The wall clock says how old a refusal is, and each sleep is an hour by it.
    stage.clock.afterSleep = () => {
      stage.clock.step(HOUR_MS)
    }
    await stage.runFor(3 * 24 * MINUTE_MS)
    assert.ok(stage.clock.nowMs() - NOW_MS >= 3 * DAY_MS)
    assert.equal(stage.cluster.posts.length, 1)
    assert.equal(stage.status.state, 'failed')
    assert.equal(stage.status.problem?.code, 'csr-denied')
    assert.match(stage.status.summary, /was denied: KubectlDeny: a test said deny/)
    assert.equal(stage.messages('error').length, 1)

    const restarted = new Stage()
    for (const [path, entry] of stage.files.entries) restarted.files.entries.set(path, entry)
    await restarted.runFor(HOUR_MS)
    assert.equal(restarted.cluster.seen.length, 0)
    assert.equal(restarted.status.problem?.code, 'csr-denied')
  })

  it('ask again with a new key when the operator says so', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'deny'
    let sleeps = 0
    stage.clock.afterSleep = () => {
      sleeps += 1
      if (sleeps === 10) stage.loop.retryNow()
    }
    await stage.runFor(HOUR_MS)
    assert.equal(stage.cluster.posts.length, 2)
    assert.equal(new Set(stage.cluster.requests.map(({ name }) => name)).size, 2)
    assert.equal(stage.messages('error').length, 2)
  })

  it('ask again when what the request depends on is changed', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'deny'
    let sleeps = 0
    stage.clock.afterSleep = () => {
      sleeps += 1
      if (sleeps !== 10) return
      stage.cluster.verdict = 'approve'
      stage.loop.reconfigure(configurationWith({ discovery: pinless, certificate: { duration: '2h' } }))
    }
    await stage.runFor(HOUR_MS)
    assert.equal(stage.cluster.posts.length, 2)
    assert.equal(stage.status.state, 'healthy')
  })

  it('stand where the operator had asked to try again before there was one', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'leave'
    let hungUp = false
    stage.onReport = ({ step }) => {
      if (step !== 'approval') return
      setImmediate(() => {
        if (hungUp) {
          stage.cluster.verdict = 'deny'
          for (const { name, conditions } of stage.cluster.requests)
            if (conditions.length === 0) stage.cluster.settle(name, 'deny')
        } else stage.loop.retryNow()
        hungUp = true
      })
    }
    await stage.runFor(HOUR_MS)
    assert.equal(stage.cluster.posts.length, 1)
    assert.equal(stage.status.problem?.code, 'csr-denied')
  })

  it('are what an unusable certificate ends in', async () => {
    const stage = new Stage()
    stage.cluster.sign = () => createCertificateAuthority().certificatePem
    await stage.runFor(DAY_MS)
    assert.equal(stage.cluster.posts.length, 1)
    assert.equal(stage.status.problem?.code, 'certificate-wrong')
    assert.equal(stage.files.text(CURRENT), undefined)
  })

  it('leave the key and the time to a certificate from the future', async () => {
    const stage = new Stage()
    stage.cluster.sign = (subjectPublicKeyInfo) =>
      stage.cluster.ca.issue({
        subjectPublicKeyInfo,
        commonName: 'system:node:worker-1',
        organizations: ['system:nodes'],
        extendedKeyUsages: ['clientAuth'],
        notBeforeMs: stage.clock.nowMs() + 30 * MINUTE_MS,
        notAfterMs: stage.clock.nowMs() + DAY_MS,
      }).certificatePem
    let code: string | undefined
    stage.onReport = ({ problem }) => {
      code ??= problem?.code
    }
    await stage.runFor(HOUR_MS)
    assert.equal(code, 'clock-skewed')
    assert.equal(stage.cluster.posts.length, 1)
    assert.equal(stage.status.state, 'healthy')
  })
})

describe('Loop: renewals over time', () => {
  it("come within the window, one for each certificate, with the node's own identity and a new key", async () => {
    const stage = new Stage({ maxReports: 20_000 })
    await stage.runFor(4 * DAY_MS)
    const { requests } = stage.cluster
    assert.ok(requests.length >= 5 && requests.length <= 6, `${requests.length} requests`)
    assert.deepEqual(
      requests.map(({ requester }) => requester),
      ['bootstrap', ...requests.slice(1).map(() => 'node')],
    )
    assert.equal(new Set(requests.map(({ name }) => name)).size, requests.length)
    const spans = requests.slice(1).map(({ createdAtMs }, index) => createdAtMs - (requests[index]?.createdAtMs ?? 0))
    const lifetimeMs = DAY_MS + 5 * MINUTE_MS
    for (const spanMs of spans) {
      const share = (spanMs + 5 * MINUTE_MS) / lifetimeMs
      assert.ok(share >= 0.7 && share < 0.9 + MINUTE_MS / DAY_MS, String(share))
    }
    assert.ok(new Set(spans).size > 1, 'each certificate has a moment of its own')
    assert.ok(
      stage.reports
        .filter(({ certificate }) => certificate !== undefined)
        .every(({ state }) => state === 'healthy' || state === 'waiting'),
    )
    const dated = [...stage.files.entries.keys()].filter((path) => /kubelet-client-\d/.test(path))
    assert.ok(dated.length <= 2, dated.join())
  })

  it('that are refused are told each time and tried again after pauses that double to an hour, while the old certificate goes on', async () => {
    // The renewal is due early enough for all of the pauses, whatever the fingerprint.
    const certificate = { rotation: { window: [0.7, 0.8] } }
    const stage = new Stage({
      maxReports: 20_000,
      configuration: configurationWith({ discovery: pinless, certificate }),
    })
    stage.onReport = ({ state }) => {
      if (state === 'healthy') stage.cluster.verdict = 'deny'
    }
    await stage.runFor(DAY_MS - MINUTE_MS)
    const [, ...renewals] = stage.cluster.posts
    const pauses = renewals.slice(1).map(({ atMs }, index) => atMs - (renewals[index]?.atMs ?? 0))
    assert.ok(pauses.length >= 8, `${pauses.length} pauses`)
    for (const [index, pause] of pauses.entries()) {
      const wantedMs = Math.min(HOUR_MS, MINUTE_MS * 2 ** index)
      assert.ok(pause >= wantedMs && pause < wantedMs + MINUTE_MS, `${pause} ms after ${index + 1} refusals`)
    }
    assert.equal(stage.status.state, 'degraded')
    assert.equal(stage.status.problem?.code, 'csr-denied')
    assert.equal(stage.messages('error').length, renewals.length)
  })

  it('that come too late, because the API server was away, become a new join', async () => {
    const stage = new Stage({ maxReports: 20_000 })
    const startMs = stage.clock.nowMs()
    stage.cluster.fault = ({ atMs }) =>
      atMs - startMs > HOUR_MS && atMs - startMs < 30 * HOUR_MS ? new BootstrapError('unreachable', 'away') : undefined
    await stage.runFor(31 * HOUR_MS)
    assert.equal(stage.status.state, 'healthy')
    assert.deepEqual(
      stage.cluster.requests.map(({ requester }) => requester),
      ['bootstrap', 'bootstrap'],
    )
    assert.ok(stage.reports.some(({ state }) => state === 'degraded'))
    const asNode = stage.cluster.seen.filter(({ requester, path }) => requester === 'node' && !path.includes('/nodes/'))
    assert.ok(asNode.every(({ atMs }) => atMs - startMs < DAY_MS))
  })

  it('never use the key of the certificate that is in force, even where a crash left it behind', async () => {
    const stage = new Stage({ maxReports: 20_000 })
    let left: ReturnType<typeof stage.files.entries.get>
    stage.onReport = ({ step }) => {
      if (step === 'certificate') left ??= stage.files.entries.get(PENDING)
      if (step === 'kubeconfig' && left !== undefined) stage.files.entries.set(PENDING, left)
      // The cluster collects finished requests after an hour.
      if (step === undefined) stage.cluster.requests.length = 0
    }
    await stage.runFor(DAY_MS)
    assert.equal(stage.cluster.posts.length, 2)
    const [renewal] = stage.cluster.requests
    const [first] = stage.lines.filter(({ message }) => message === 'a new key is made')
    assert.notEqual(renewal?.name ?? first?.fields['request'], undefined)
    assert.equal(stage.lines.filter(({ message }) => message === 'a new key is made').length, 2)
    assert.equal(stage.status.request, undefined)
  })
})

describe('Loop: once', () => {
  it('ends when the node has joined', async () => {
    const stage = new Stage({ once: 'joined' })
    await stage.run()
    assert.equal(stage.status.state, 'healthy')
    assert.deepEqual(stage.clock.sleeps, [])
  })

  const ends: [string, (stage: Stage) => void, ErrorCode, minMs: number, maxMs: number][] = [
    [
      'at once with a denial',
      (stage) => {
        stage.cluster.verdict = 'deny'
      },
      'csr-denied',
      0,
      0,
    ],
    [
      'at once with what a person must mend',
      (stage) => {
        stage.cluster.fault = () => new BootstrapError('pin-mismatch', 'no')
      },
      'pin-mismatch',
      0,
      0,
    ],
    [
      'after the time for discovery with what may lag',
      (stage) => {
        stage.cluster.fault = () => new BootstrapError('token-unknown', 'no')
      },
      'token-unknown',
      5 * MINUTE_MS,
      6 * MINUTE_MS,
    ],
    [
      'after the time for discovery with what may heal',
      (stage) => {
        stage.cluster.fault = () => new BootstrapError('unreachable', 'no')
      },
      'unreachable',
      5 * MINUTE_MS,
      8 * MINUTE_MS,
    ],
  ]
  for (const [sentence, arrange, code, minMs, maxMs] of ends)
    it(`ends ${sentence}`, async () => {
      const stage = new Stage({ once: 'joined' })
      arrange(stage)
      await assert.rejects(stage.run(), (error: unknown) => error instanceof BootstrapError && error.code === code)
      const elapsedMs = stage.clock.monotonicMs()
      assert.ok(elapsedMs >= minMs && elapsedMs <= maxMs, String(elapsedMs))
      assert.equal(stage.status.problem?.code, code)
      assert.equal(stage.status.problem.nextAttemptAt, undefined)
    })
})
