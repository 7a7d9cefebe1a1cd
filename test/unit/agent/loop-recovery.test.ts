/** What the loop makes of a world that changes behind its back: another CA, a configuration that fails, a certificate that lapses. */
import assert from 'node:assert/strict'
import { discoveryDigest } from '../../../src/agent/digests.ts'
import { newMemory } from '../../../src/agent/beginning.ts'
import { observe } from '../../../src/agent/observe.ts'
import type { StatusBody } from '../../../src/agent/status.ts'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import type { HttpRequest } from '../../../src/lib/ports.ts'
import { parseCertificates, publicKeyPin } from '../../../src/pki/certificate.ts'
import { readClusterRecord } from '../../../src/store/cluster-record.ts'
import { FakeCluster, type SeenRequest } from './fakes.ts'
import { configurationWith, DAY_MS, HOUR_MS, MINUTE_MS, tokenDiscovery } from './fixtures.ts'
import { pinless, Stage } from './loop-stage.ts'

const STATE = '/var/lib/node-bootstrap'
const CA = '/etc/kubernetes/pki/ca.crt'
const KUBECONFIG = '/etc/kubernetes/kubelet.conf'
const CA_FILE = '/etc/node-bootstrap/ca.pem'

const isDiscovery = ({ path }: SeenRequest): boolean => path.includes('cluster-info')
const discoveries = (cluster: FakeCluster): SeenRequest[] => cluster.seen.filter(isDiscovery)
/** A recheck looks at cluster-info too: how often a discovery has come to its end is for the log to say. */
const discovered = (stage: Stage): number =>
  stage.messages('info').filter((message) => message === 'the cluster is verified').length
const caFileOf = (cluster: FakeCluster): string =>
  `# Written by node-bootstrap, which keeps it current.\n${cluster.ca.certificatePem}`
const unreachable = (): BootstrapError => new BootstrapError('unreachable', 'a test said unreachable')

/** Once, when the node has joined and an hour has passed. */
function anHourAfterJoining(stage: Stage, then: () => void | Promise<void>): void {
  let sleeps = 0
  stage.clock.afterSleep = async () => {
    sleeps += 1
    if (sleeps === 60) await then()
  }
}

const notAfterMs = (status: StatusBody | undefined): number => Date.parse(status?.certificate?.notAfter ?? '')

async function write(stage: Stage, path: string, text: string): Promise<void> {
  await stage.files.remove(path)
  await stage.files.createSynced(path, Buffer.from(text), 0o644)
}

describe('Loop: a changed configuration whose cluster cannot be discovered', () => {
  const otherEndpoint = (): ReturnType<typeof configurationWith> =>
    configurationWith({
      discovery: { ...pinless, token: { ...(pinless['token'] as object), endpoints: ['10.0.0.99:6443'] } },
    })

  it('does not hold a due renewal up, and is discovered once it can be', async () => {
    const stage = new Stage({ maxReports: 20_000 })
    const startMs = stage.clock.nowMs()
    let from = Infinity
    anHourAfterJoining(stage, () => {
      from = stage.reports.length
      stage.cluster.fault = (seen) =>
        isDiscovery(seen) && seen.atMs - startMs < 30 * HOUR_MS ? unreachable() : undefined
      stage.loop.reconfigure(otherEndpoint())
    })
    await stage.runFor(31 * HOUR_MS)
    const [first, ...renewals] = stage.cluster.posts
    assert.equal(first?.requester, 'bootstrap')
    assert.ok(renewals.length >= 1)
    for (const { requester, atMs } of renewals) {
      assert.equal(requester, 'node')
      assert.ok(atMs - startMs < 0.91 * DAY_MS, `renewed at ${(atMs - startMs) / HOUR_MS} h`)
    }
    assert.ok(stage.reports.slice(from).every(({ certificate }) => certificate !== undefined))
    const failing = stage.reports.slice(from).filter(({ problem }) => problem !== undefined)
    assert.ok(failing.length > 30)
    assert.deepEqual([...new Set(failing.map(({ state }) => state))], ['degraded'])
    assert.deepEqual([...new Set(failing.map(({ problem }) => problem?.code))], ['unreachable'])
    assert.ok(stage.reports.slice(from).every(({ state }) => state === 'healthy' || state === 'degraded'))

    assert.equal(stage.status.state, 'healthy')
    const record = await readClusterRecord(stage.files, STATE)
    assert.equal(record?.configurationDigest, discoveryDigest(otherEndpoint()))
  })
})

describe('Loop: a CA that was replaced', () => {
  const pinOf = (cluster: FakeCluster): string =>
    parseCertificates(cluster.ca.certificatePem)
      .map((ca) => `sha256:${publicKeyPin(ca)}`)
      .join()

  /** From then on `other` answers in the place of the stage's cluster, to whoever trusts its CA. */
  function replace(stage: Stage, other: FakeCluster): void {
    const check = ({ trust }: HttpRequest): void => {
      if (trust !== 'unverified' && !trust.roots.some((root) => root.trim() === other.ca.certificatePem.trim()))
        throw new BootstrapError('server-untrusted', 'a test replaced the CA')
    }
    stage.cluster.request = async (request) => {
      await Promise.resolve()
      check(request)
      return other.request(request)
    }
    stage.cluster.stream = async (request) => {
      await Promise.resolve()
      check(request)
      return other.stream(request)
    }
  }

  async function replaced(
    arrange: (stage: Stage, other: FakeCluster) => void | Promise<void>,
  ): Promise<{ stage: Stage; other: FakeCluster }> {
    const stage = new Stage({ maxReports: 20_000 })
    const other = new FakeCluster(stage.clock, undefined, createCertificateAuthority())
    await arrange(stage, other)
    anHourAfterJoining(stage, () => {
      replace(stage, other)
    })
    // Before the certificate of the old CA lapses.
    await stage.runFor(23 * HOUR_MS)
    return { stage, other }
  }

  it('is found by the pins when a recheck meets it, and the node joins under the new one', async () => {
    const { stage, other } = await replaced((arranged, next) => {
      arranged.loop.reconfigure(
        configurationWith({ discovery: tokenDiscovery({ caCertHashes: [pinOf(arranged.cluster), pinOf(next)] }) }),
      )
    })
    assert.equal(stage.status.state, 'healthy')
    assert.equal(other.posts[0]?.requester, 'bootstrap')
    assert.equal(stage.files.text(CA), caFileOf(other))
    assert.ok(stage.lines.some(({ fields }) => fields['code'] === 'server-untrusted'))
  })

  it('is found by the CA file', async () => {
    const { stage, other } = await replaced(async (arranged, next) => {
      await write(arranged, CA_FILE, arranged.cluster.ca.certificatePem + next.ca.certificatePem)
      arranged.loop.reconfigure(configurationWith({ discovery: tokenDiscovery({ caCertHashes: [], caFile: CA_FILE }) }))
    })
    assert.equal(stage.status.state, 'healthy')
    assert.equal(other.posts[0]?.requester, 'bootstrap')
    assert.equal(stage.files.text(CA), caFileOf(other))
  })

  it('is not believed where neither pins nor a CA file vouch for it', async () => {
    const { stage, other } = await replaced(() => undefined)
    assert.equal(stage.status.problem?.code, 'server-untrusted')
    assert.equal(stage.status.state, 'degraded')
    assert.deepEqual(discoveries(other), [])
    assert.equal(stage.files.text(CA), caFileOf(stage.cluster))
  })

  it('that no pin vouches for is discovered as often as any failure waits, and not believed', async () => {
    const { stage, other } = await replaced((arranged) => {
      arranged.loop.reconfigure(
        configurationWith({ discovery: tokenDiscovery({ caCertHashes: [pinOf(arranged.cluster)] }) }),
      )
    })
    assert.equal(stage.status.state, 'degraded')
    assert.equal(other.posts.length, 0)
    assert.equal(stage.files.text(CA), caFileOf(stage.cluster))
    const count = discoveries(other).length
    assert.ok(count >= 1 && count <= 23 * 60, `${count} discoveries`)
  })
})

describe('Loop: a caFile', () => {
  async function withCaFile(then: (stage: Stage) => void | Promise<void>): Promise<{ stage: Stage; before: number }> {
    const stage = new Stage()
    await write(stage, CA_FILE, stage.cluster.ca.certificatePem)
    stage.loop.reconfigure(configurationWith({ discovery: tokenDiscovery({ caCertHashes: [], caFile: CA_FILE }) }))
    let before = -1
    anHourAfterJoining(stage, async () => {
      before = discovered(stage)
      await then(stage)
    })
    await stage.runFor(2 * HOUR_MS)
    return { stage, before }
  }
  const memory = newMemory(0)

  it('of other content is discovered with again, once', async () => {
    let trust: string | undefined
    const { stage, before } = await withCaFile(async (at) => {
      await write(at, CA_FILE, at.cluster.ca.certificatePem + createCertificateAuthority().certificatePem)
      const configuration = configurationWith({
        discovery: tokenDiscovery({ caCertHashes: [], caFile: CA_FILE }),
      })
      trust = (await observe(at.files, at.network, configuration, '/etc/node-bootstrap/join.yaml', memory)).trust.kind
    })
    assert.equal(trust, 'outdated')
    assert.equal(discovered(stage), 2 * before)
    assert.equal(stage.status.state, 'healthy')
  })

  it('in another order or with comments is the same', async () => {
    const { stage, before } = await withCaFile((at) =>
      write(at, CA_FILE, `# a comment\n${at.cluster.ca.certificatePem}\n`),
    )
    assert.equal(discovered(stage), before)
  })

  const unreadable: [string, (stage: Stage) => void | Promise<void>][] = [
    ['is gone', (stage) => stage.files.remove(CA_FILE)],
    ['is no bundle', (stage) => write(stage, CA_FILE, 'half a')],
    [
      'may not be read',
      (stage) => {
        stage.files.fault = (method, path) => {
          if (method === 'read' && path === CA_FILE) throw new BootstrapError('storage-denied', 'no')
        }
      },
    ],
  ]
  for (const [what, spoil] of unreadable)
    it(`that ${what} says nothing against what was verified with it`, async () => {
      const { stage, before } = await withCaFile(spoil)
      assert.ok(before > 0)
      assert.equal(discovered(stage), before)
      assert.equal(stage.status.state, 'healthy')
      assert.deepEqual(stage.messages('warn'), [])
    })
})

describe('Loop: what has succeeded and is to be done again', () => {
  const expectPauses = (stage: Stage, path: string, writes: number): void => {
    const problems = stage.reports.filter(({ problem }) => problem !== undefined)
    assert.ok(problems.length > 0)
    assert.deepEqual([...new Set(problems.map(({ problem }) => problem?.code))], ['internal'])
    assert.ok(problems.every(({ problem }) => problem?.hint.includes('the same place') === true))
    assert.ok(writes >= 8 && writes <= 240, `${path} was written ${writes} times in two hours`)
  }

  it('waits as a failure where ca.crt and the kubeconfig are one file through a linked directory', async () => {
    const stage = new Stage()
    const { entries } = stage.files
    const real = (path: string): string => path.replace('/etc/linked/', '/etc/kubernetes/pki/')
    const there = new Map(entries)
    entries.get = (path) => there.get(real(path))
    entries.has = (path) => there.has(real(path))
    entries.delete = (path) => there.delete(real(path))
    entries.keys = () => there.keys()
    entries.set = (path, entry) => {
      there.set(real(path), entry)
      return entries
    }
    const alias = '/etc/linked/ca.crt'
    stage.loop.reconfigure(configurationWith({ discovery: pinless, files: { ca: CA, kubeconfig: alias } }))
    let writes = 0
    stage.files.fault = (method, path) => {
      if (method === 'rename' && path === alias) writes += 1
    }
    await stage.runFor(2 * HOUR_MS)
    expectPauses(stage, alias, writes)
    assert.equal(stage.cluster.posts.length, 1)
  })

  it('waits as a failure where another program takes the file back each time', async () => {
    const stage = new Stage()
    let writes = 0
    stage.files.fault = (method, path) => {
      if (method !== 'syncDirectory' || path !== '/etc/kubernetes') return
      const written = stage.files.entries.get(KUBECONFIG)
      if (written === undefined) return
      writes += 1
      stage.files.entries.set(KUBECONFIG, { ...written, content: Buffer.from('kind: Config\n# of another program\n') })
    }
    await stage.runFor(2 * HOUR_MS)
    expectPauses(stage, KUBECONFIG, writes)
  })

  it('is no failure where it was done long before', async () => {
    const stage = new Stage()
    anHourAfterJoining(stage, () => {
      stage.files.entries.delete(KUBECONFIG)
    })
    await stage.runFor(2 * HOUR_MS)
    assert.notEqual(stage.files.text(KUBECONFIG), undefined)
    assert.ok(stage.reports.every(({ problem }) => problem === undefined))
  })
})

describe('Loop: a certificate that lapses', () => {
  it('ends the pause after a failed renewal at that very moment', async () => {
    const stage = new Stage({ maxReports: 20_000 })
    anHourAfterJoining(stage, () => {
      stage.cluster.fault = ({ method }) =>
        method === 'POST' ? new BootstrapError('ca-missing', 'only a person can mend it') : undefined
    })
    let lapseMs = NaN
    stage.onReport = (status) => {
      lapseMs = notAfterMs(status)
    }
    await stage.runFor(DAY_MS + MINUTE_MS)
    const [, ...renewals] = stage.cluster.posts
    assert.ok(renewals.some(({ requester }) => requester === 'node'))
    for (const { requester, atMs } of renewals) assert.equal(requester, atMs < lapseMs ? 'node' : 'bootstrap')
    assert.equal(renewals.find(({ requester }) => requester === 'bootstrap')?.atMs, lapseMs)
    assert.equal(stage.status.state, 'failed')
  })

  it('ends the watch of a renewal that nobody approves', async () => {
    const stage = new Stage({ maxReports: 20_000 })
    let seconds = 0
    const stream = stage.cluster.stream.bind(stage.cluster)
    stage.cluster.stream = (request) => {
      seconds = Number(request.url.searchParams.get('timeoutSeconds'))
      return stream(request)
    }
    anHourAfterJoining(stage, () => {
      stage.cluster.verdict = 'leave'
      stage.cluster.watchLines = () => {
        stage.clock.pass(seconds * 1000)
        return []
      }
    })
    let lapseMs = NaN
    const states = new Set<string>()
    stage.onReport = (status) => {
      if (status.certificate !== undefined) lapseMs = notAfterMs(status)
      if (stage.clock.nowMs() >= lapseMs) states.add(status.state)
      if (stage.clock.nowMs() > lapseMs + 20 * MINUTE_MS) stage.stop()
    }
    await stage.run()
    const watches = stage.cluster.seen.filter(({ isWatch }) => isWatch)
    const late = watches.find(({ requester, atMs }) => requester === 'bootstrap' && atMs >= lapseMs)
    assert.ok(watches.some(({ requester }) => requester === 'node'))
    assert.ok(late !== undefined && late.atMs - lapseMs <= 4000, `${(late?.atMs ?? NaN) - lapseMs} ms late`)
    assert.deepEqual([...states], ['waiting'])
  })
})

describe('Loop: a refusal from the future', () => {
  it('does not hold a renewal up', async () => {
    const stage = new Stage({ maxReports: 20_000 })
    let sleeps = 0
    let refusedAtMs: number | undefined
    stage.clock.afterSleep = () => {
      sleeps += 1
      if (sleeps === 60) {
        // The clock goes wrong, and the renewal is due by it.
        stage.cluster.verdict = 'deny'
        stage.clock.step(22 * HOUR_MS)
      } else if (refusedAtMs === undefined && stage.status.problem?.code === 'csr-denied') {
        refusedAtMs = stage.clock.nowMs()
        stage.cluster.verdict = 'approve'
        stage.clock.step(-4 * HOUR_MS)
      }
    }
    await stage.runFor(6 * HOUR_MS)
    assert.ok(refusedAtMs !== undefined)
    const [, denied, again] = stage.cluster.posts
    assert.equal(denied?.requester, 'node')
    assert.equal(again?.requester, 'node')
    assert.ok(again.atMs < refusedAtMs, `${(again.atMs - refusedAtMs) / MINUTE_MS} min after the refusal`)
    assert.equal(stage.status.state, 'healthy')
  })
})

describe('Loop: a link to the certificate that is gone and cannot be made again', () => {
  const CURRENT = '/var/lib/kubelet/pki/kubelet-client-current.pem'

  it('is no node that has joined, for the kubelet finds no certificate; and is one again once it can be made', async () => {
    const stage = new Stage()
    let isReadOnly = false
    stage.files.fault = (method, path) => {
      if (isReadOnly && ['symlink', 'rename', 'remove'].includes(method) && path.includes('/pki/'))
        throw new BootstrapError('storage-read-only', `${path} cannot be linked (EROFS)`)
    }
    anHourAfterJoining(stage, () => {
      isReadOnly = true
      stage.files.entries.delete(CURRENT)
    })
    await stage.runFor(2 * HOUR_MS)
    assert.deepEqual([stage.status.state, stage.status.joined], ['degraded', false])
    assert.equal(stage.status.problem?.code, 'storage-read-only')
    isReadOnly = false
    const again = new Stage({ clock: stage.clock, files: stage.files, cluster: stage.cluster })
    await again.runFor(HOUR_MS)
    assert.deepEqual([again.status.state, again.status.joined], ['healthy', true])
    assert.equal(again.cluster.posts.length, 1)
  })
})
