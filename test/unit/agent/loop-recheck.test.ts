import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { statusResponse, type Fault, type SeenRequest } from './fakes.ts'
import { configurationWith, DAY_MS, HOUR_MS, MINUTE_MS, tokenDiscovery } from './fixtures.ts'
import { pinless, Stage, type StageOptions } from './loop-stage.ts'

const CA = '/etc/kubernetes/pki/ca.crt'
const CA_FILE = '/etc/node-bootstrap/ca.crt'
const CURRENT = '/var/lib/kubelet/pki/kubelet-client-current.pem'
const MARK = '# Written by node-bootstrap, which keeps it current.\n'

const isAboutIdentity = ({ path, requester }: SeenRequest): boolean => requester === 'node' && path.includes('/nodes/')
const isClusterInfo = ({ path }: SeenRequest): boolean => path.endsWith('/cluster-info')
const UNAUTHORIZED = statusResponse(401, 'Unauthorized')

/** A stage that has joined, and a way to go on with it under another sky. */
async function joined(options: StageOptions = {}): Promise<Stage> {
  const stage = new Stage({ maxReports: 50_000, ...options })
  await stage.runFor(10 * MINUTE_MS)
  assert.equal(stage.status.state, 'healthy')
  return stage
}

const later = (before: Stage, options: StageOptions = {}): Stage => {
  const { clock, files, cluster } = before
  clock.afterSleep = () => undefined
  return new Stage({ maxReports: 50_000, clock, files, cluster, ...options })
}

const states = (stage: Stage): string[] => [
  ...new Set(stage.reports.map(({ state, problem }) => [state, problem?.code ?? ''].join(' ').trim())),
]

describe('Loop: the certificate in force', () => {
  it('is asked about once an hour, give or take a quarter, and as soon as an agent has started', async () => {
    const stage = await joined()
    const after = later(stage)
    after.cluster.seen.length = 0
    const startMs = after.clock.nowMs()
    await after.runFor(6 * HOUR_MS)
    const times = after.cluster.seen.filter(isAboutIdentity).map(({ atMs }) => atMs)
    assert.equal(times[0], startMs)
    const pauses = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0))
    assert.ok(new Set(pauses).size > 3, pauses.join())
    for (const pause of pauses) assert.ok(pause >= 0.75 * HOUR_MS && pause <= 1.25 * HOUR_MS + MINUTE_MS, String(pause))
  })

  it('is never healthy while it has not been accepted', async () => {
    const stage = await joined()
    const after = later(stage)
    after.cluster.fault = (seen) => (isAboutIdentity(seen) ? new BootstrapError('unreachable', 'away') : undefined)
    await after.runFor(HOUR_MS)
    assert.deepEqual(states(after), ['waiting', 'degraded unreachable'])
    assert.notEqual(after.status.problem?.nextAttemptAt, undefined)
    after.cluster.fault = () => undefined
    const again = later(after)
    await again.runFor(HOUR_MS)
    assert.equal(again.status.state, 'healthy')
    assert.equal(again.cluster.posts.length, 1, 'unreachable is not unauthenticated')
  })

  for (const [when, isAway] of [
    ['of a first join', () => false],
    ['after the API server was away', (atMs: number, startMs: number) => atMs < startMs + MINUTE_MS],
  ] as const)
    it(`is told to be accepted before the CA bundle is looked at, ${when}`, async () => {
      const stage = new Stage()
      const startMs = stage.clock.nowMs()
      const told: unknown[] = []
      let isAsked = false
      stage.cluster.fault = (seen) => {
        if (isAboutIdentity(seen)) {
          if (isAway(seen.atMs, startMs)) return new BootstrapError('unreachable', 'away')
          isAsked = true
        }
        if (!isAsked || !isClusterInfo(seen)) return undefined
        const { state, joined: hasJoined, summary, problem } = stage.status
        told.push([state, hasJoined, summary, problem])
        return new BootstrapError('timed-out', 'its endpoint drops packets')
      }
      await stage.runFor(10 * MINUTE_MS)
      assert.deepEqual(told[0], [
        'healthy',
        true,
        'joined; looking whether the cluster has another CA bundle',
        undefined,
      ])
      assert.equal(stage.status.state, 'healthy')
    })

  it('that is accepted is not asked about in a tight loop where a new CA bundle cannot be written', async () => {
    const stage = await joined()
    const after = later(stage)
    after.cluster.publishedAuthorities = after.cluster.ca.certificatePem + createCertificateAuthority().certificatePem
    after.files.fault = (method, path) => {
      if (method === 'createSynced' && path.startsWith('/var/lib/node-bootstrap/'))
        throw new BootstrapError('storage-full', 'there is no room')
    }
    after.cluster.seen.length = 0
    await after.runFor(HOUR_MS)
    assert.deepEqual([after.status.state, after.status.problem?.code], ['degraded', 'storage-full'])
    const asked = after.cluster.seen.filter(isAboutIdentity).length
    assert.ok(asked > 10 && asked < 120, String(asked))
  })

  it('has been asked about: where the next look fails, that is waited out as any failure', async () => {
    const stage = await joined()
    const after = later(stage)
    let isAsked = false
    let looks = 0
    after.cluster.fault = (seen) => {
      isAsked ||= isAboutIdentity(seen)
      return undefined
    }
    after.files.fault = (method, path) => {
      if (!isAsked || method !== 'read' || path !== CURRENT) return
      looks += 1
      if (looks > 500) after.stop()
      throw new BootstrapError('storage-failed', 'the disk fails')
    }
    await after.runFor(HOUR_MS)
    assert.equal(after.status.problem?.code, 'storage-failed')
    assert.ok(looks > 10 && looks <= 500, String(looks))
  })

  it('is not said to be there or not, while no look has succeeded since the agent started', async () => {
    const after = later(await joined())
    const mendedAtMs = after.clock.monotonicMs() + 3 * MINUTE_MS
    after.files.fault = (method, path) => {
      if (method === 'read' && path === CURRENT && after.clock.monotonicMs() < mendedAtMs)
        throw new BootstrapError('storage-failed', 'the disk fails')
    }
    const told = new Set<string>()
    after.onReport = ({ joined: hasJoined, problem }) => {
      if (after.clock.monotonicMs() < mendedAtMs) told.add([hasJoined, problem?.code].join(' '))
      else assert.equal(hasJoined, true)
    }
    await after.runFor(HOUR_MS)
    assert.deepEqual([...told], [' storage-failed'])
    assert.equal(after.status.state, 'healthy')
  })

  it('is joined as before where a later look fails', async () => {
    const after = later(await joined())
    after.clock.afterSleep = () => {
      after.files.fault = (method, path) => {
        if (method === 'read' && path === CURRENT) throw new BootstrapError('storage-failed', 'the disk fails')
      }
    }
    await after.runFor(HOUR_MS)
    assert.deepEqual([after.status.joined, after.status.problem?.code], [true, 'storage-failed'])
  })

  it('that is refused once is asked about again in a minute, and no more than told', async () => {
    const stage = await joined()
    const after = later(stage)
    let refusals = 1
    after.cluster.fault = (seen): Fault => (isAboutIdentity(seen) && (refusals -= 1) >= 0 ? UNAUTHORIZED : undefined)
    const startMs = after.clock.nowMs()
    await after.runFor(30 * MINUTE_MS)
    assert.deepEqual(states(after), ['waiting', 'degraded identity-not-accepted', 'healthy'])
    assert.ok(after.reports.every((status) => status.joined))
    const times = after.cluster.seen.filter((seen) => isAboutIdentity(seen) && seen.atMs >= startMs)
    assert.equal((times[1]?.atMs ?? 0) - (times[0]?.atMs ?? 0), MINUTE_MS)
    assert.equal(after.cluster.posts.length, 1)
  })

  it('that is refused once is one that has joined, before and after a restart; refused twice it is none, at once', async () => {
    const first = later(await joined())
    first.cluster.fault = (seen): Fault => (isAboutIdentity(seen) ? UNAUTHORIZED : undefined)
    first.onReport = ({ problem }) => {
      if (problem !== undefined) first.stop()
    }
    await first.run()
    assert.deepEqual([first.status.state, first.status.joined], ['degraded', true])
    const again = later(first)
    let questions = 0
    again.cluster.fault = (seen): Fault => {
      if (!isAboutIdentity(seen)) return undefined
      questions += 1
      return UNAUTHORIZED
    }
    const told: unknown[] = []
    again.onReport = (status) => {
      told.push([questions, status.joined])
      if (questions === 2) again.stop()
    }
    await again.run()
    assert.ok(told.length > 3)
    assert.deepEqual(
      told.filter((each) => !isDeepStrictEqual(each, [0, true]) && !isDeepStrictEqual(each, [1, true])),
      [[2, false]],
    )
  })

  it('that is refused twice is replaced as a lost one is, and stays until the new one is accepted', async () => {
    const stage = await joined()
    const old = stage.files.text(CURRENT)
    const after = later(stage)
    after.cluster.fault = (seen) => (isAboutIdentity(seen) && seen.atMs < endMs ? UNAUTHORIZED : undefined)
    const endMs = after.clock.nowMs() + 5 * MINUTE_MS
    after.onReport = ({ state }) => {
      if (after.clock.nowMs() < endMs) assert.equal(after.files.text(CURRENT), old)
      if (state === 'healthy') after.stop()
    }
    await after.runFor(HOUR_MS)
    assert.equal(after.status.state, 'healthy')
    assert.ok(after.cluster.posts.length >= 1 && after.cluster.posts.length <= 2)
    assert.equal(after.cluster.posts.at(-1)?.requester, 'bootstrap')
  })

  it('that is refused is not replaced where recovery.rejoin is never, and says so', async () => {
    const stage = await joined()
    const after = later(stage, {
      configuration: configurationWith({ discovery: pinless, recovery: { rejoin: 'never' } }),
    })
    after.cluster.fault = (seen) => (isAboutIdentity(seen) ? UNAUTHORIZED : undefined)
    await after.runFor(HOUR_MS)
    assert.equal(after.status.problem?.code, 'rejoin-forbidden')
    assert.equal(after.cluster.posts.length, 1)
  })

  it('that is refused, without a credential to come back, says what to supply; and is good again when it is accepted', async () => {
    const stage = await joined()
    const after = later(stage)
    const endMs = after.clock.nowMs() + 3 * HOUR_MS
    after.cluster.fault = (seen) =>
      seen.atMs < endMs && (isAboutIdentity(seen) || seen.requester === 'bootstrap') ? UNAUTHORIZED : undefined
    const problems = new Set<string>()
    after.onReport = ({ problem, state, joined: hasJoined }) => {
      if (problem !== undefined) problems.add(problem.code)
      if (after.clock.nowMs() < endMs) assert.notEqual(state, 'healthy')
      // The first time is no more than told.
      if (problem?.code === 'rejoin-needs-credential') assert.equal(hasJoined, false)
    }
    const old = stage.files.text(CURRENT)
    await after.runFor(4 * HOUR_MS)
    assert.deepEqual([...problems], ['identity-not-accepted', 'rejoin-needs-credential'])
    assert.equal(after.status.state, 'healthy')
    assert.equal(after.files.text(CURRENT), old)
  })

  it('is asked about on time whatever the wall clock did', async () => {
    const stage = await joined()
    const after = later(stage)
    after.cluster.seen.length = 0
    const steps = [6 * HOUR_MS, -5 * HOUR_MS]
    after.clock.afterSleep = () => {
      after.clock.step(steps.shift() ?? 0)
    }
    await after.runFor(80 * MINUTE_MS)
    assert.equal(after.cluster.seen.filter(isAboutIdentity).length, 3)
  })
})

describe('Loop: the CA bundle of a joined node', () => {
  const other = createCertificateAuthority()
  const expired = createCertificateAuthority({ notBeforeMs: 0, notAfterMs: Date.now() - DAY_MS })
  const leaf = other.issue({ commonName: 'no authority' })

  async function publishing(
    bundle: (own: string) => string,
    options: StageOptions = {},
    prepare: (stage: Stage) => void | Promise<void> = () => undefined,
  ): Promise<Stage> {
    const stage = await joined(options)
    const after = later(stage, options)
    await prepare(after)
    after.cluster.publishedAuthorities = bundle(after.cluster.ca.certificatePem)
    await after.runFor(10 * MINUTE_MS)
    return after
  }

  const taken: [string, (own: string) => string, (own: string) => string][] = [
    ['a new CA beside the old one', (own) => own + other.certificatePem, (own) => own + other.certificatePem],
    ['the new one first', (own) => other.certificatePem + own, (own) => other.certificatePem + own],
    ['each CA twice', (own) => own + own + other.certificatePem + own, (own) => own + other.certificatePem],
    ['an expired CA', (own) => own + expired.certificatePem, (own) => own + expired.certificatePem],
    ['what is no CA', (own) => leaf.certificatePem + other.certificatePem + own, (own) => other.certificatePem + own],
  ]
  for (const [what, bundle, written] of taken)
    it(`is replaced by one with ${what}`, async () => {
      const stage = await publishing(bundle)
      assert.equal(stage.files.text(CA), MARK + written(stage.cluster.ca.certificatePem))
      assert.equal(stage.status.state, 'healthy')
      assert.equal(stage.status.cluster?.caCertHashes.length, written('').match(/BEGIN/g)?.length === undefined ? 1 : 2)
      assert.equal(stage.files.text(`${CA}.before-node-bootstrap`), undefined)
      assert.equal(stage.cluster.posts.length, 1)
    })

  const same: [string, (own: string) => string][] = [
    ['with comments, and twice the same CA', (own) => `# a comment\n${own}\n${own}`],
    ['beside something that is no CA', (own) => own + leaf.certificatePem],
  ]
  for (const [what, bundle] of same)
    it(`stays as it is where the same is published ${what}`, async () => {
      let writes = 0
      const stage = await publishing(bundle, {}, ({ files }) => {
        files.fault = (method) => {
          if (method === 'createSynced') writes += 1
        }
      })
      assert.equal(writes, 0)
      assert.equal(stage.files.text(CA), MARK + stage.cluster.ca.certificatePem)
    })

  const heldBack: [string, (own: string) => string, RegExp][] = [
    ['drops the CA of the certificate', () => other.certificatePem, /drops the CA that the certificate of this node/],
    ['holds no CA', () => leaf.certificatePem, /there is no CA certificate in it/],
    ['is no certificate', () => 'nothing', /cannot be used/],
  ]
  for (const [what, bundle, message] of heldBack)
    it(`stays where the one that is published ${what}: held back, and told once with what to do`, async () => {
      const stage = await publishing(bundle)
      assert.equal(stage.files.text(CA), MARK + stage.cluster.ca.certificatePem)
      assert.deepEqual([stage.status.state, stage.status.problem?.code], ['degraded', 'ca-bundle-held-back'])
      assert.match(stage.status.problem?.message ?? '', message)
      assert.notEqual(stage.status.problem?.hint, '')
      assert.equal(stage.lines.filter(({ fields }) => fields['code'] === 'ca-bundle-held-back').length, 1)
      assert.equal(stage.cluster.posts.length, 1)
    })

  it('may lose the old CA when the certificate is renewed under the new one, at once', async () => {
    const stage = await joined()
    const both = later(stage)
    both.cluster.publishedAuthorities = both.cluster.ca.certificatePem + other.certificatePem
    await both.runFor(10 * MINUTE_MS)
    const alone = later(both)
    alone.cluster.publishedAuthorities = other.certificatePem
    alone.cluster.sign = (subjectPublicKeyInfo) =>
      other.issue({
        subjectPublicKeyInfo,
        commonName: 'system:node:worker-1',
        organizations: ['system:nodes'],
        extendedKeyUsages: ['clientAuth'],
        notBeforeMs: alone.clock.nowMs(),
        notAfterMs: alone.clock.nowMs() + DAY_MS,
      }).certificatePem
    let renewedAtMs: number | undefined
    alone.onReport = ({ state, problem }) => {
      if (alone.cluster.posts.length === 2) renewedAtMs ??= alone.clock.nowMs()
      if (renewedAtMs === undefined && state === 'degraded') assert.equal(problem?.code, 'ca-bundle-held-back')
      if (alone.files.text(CA) === MARK + other.certificatePem) alone.stop()
    }
    await alone.runFor(DAY_MS)
    assert.equal(alone.files.text(CA), MARK + other.certificatePem)
    assert.ok(alone.clock.nowMs() - (renewedAtMs ?? 0) <= MINUTE_MS)
  })

  it('is bounded by caFile, whatever the cluster publishes', async () => {
    const configuration = configurationWith({ discovery: tokenDiscovery({ caCertHashes: [], caFile: CA_FILE }) })
    const clockStage = new Stage()
    await clockStage.files.createSynced(CA_FILE, Buffer.from(clockStage.cluster.ca.certificatePem), 0o644)
    const { clock, files, cluster } = clockStage
    const stage = await publishing((own) => own + other.certificatePem, { configuration, clock, files, cluster })
    assert.equal(stage.files.text(CA), MARK + stage.cluster.ca.certificatePem)
    assert.match(stage.status.problem?.message ?? '', /a CA that caFile does not hold/)
  })

  it('grows by no CA that policy.require wants pinned', async () => {
    const { clock, files, cluster } = new Stage()
    const caCertHashes = [cluster.ca.caCertHash]
    const configuration = configurationWith({
      discovery: tokenDiscovery({ caCertHashes }),
      policy: { require: ['all-authorities-pinned'] },
    })
    const stage = await publishing((own) => own + other.certificatePem, { configuration, clock, files, cluster })
    assert.equal(stage.files.text(CA), MARK + stage.cluster.ca.certificatePem)
    assert.deepEqual([stage.status.state, stage.status.problem?.code], ['degraded', 'ca-bundle-held-back'])
  })

  it('is read with the certificate of the node where there is no anonymous access', async () => {
    const stage = await publishing(
      (own) => own + other.certificatePem,
      {},
      ({ cluster }) => {
        cluster.fault = (seen) => (isClusterInfo(seen) && seen.requester === 'anonymous' ? UNAUTHORIZED : undefined)
      },
    )
    assert.equal(stage.files.text(CA), MARK + stage.cluster.ca.certificatePem + other.certificatePem)
  })

  it('that the node may not read leaves it healthy, and is told once', async () => {
    const stage = await joined()
    const after = later(stage)
    after.cluster.fault = (seen) => (isClusterInfo(seen) ? statusResponse(403, 'forbidden') : undefined)
    await after.runFor(6 * HOUR_MS)
    assert.equal(after.status.state, 'healthy')
    const told = after.messages('info').filter((message) => message.includes('cannot be read'))
    assert.equal(told.length, 1)
  })
})
