/** What `recovery.rejoin` holds a node to that has lost its files: cluster.json alone says that it had joined, and where. */
import assert from 'node:assert/strict'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { readClusterRecord, writeClusterRecord } from '../../../src/store/cluster-record.ts'
import { FakeCluster } from './fakes.ts'
import { configurationWith, MINUTE_MS, newAuthority, TOKEN_ID, TOKEN_SECRET, tokenDiscovery } from './fixtures.ts'
import { pinless, renewAsAnother, Stage } from './loop-stage.ts'

const STATE = '/var/lib/node-bootstrap'
const RECORD = `${STATE}/cluster.json`
const KUBECONFIG = '/etc/kubernetes/kubelet.conf'
const CA_FILE = '/etc/node-bootstrap/cluster-ca.crt'

type IsLost = (path: string) => boolean

const isOfPair: IsLost = (path) => path.startsWith('/var/lib/kubelet/pki/')

const losses: readonly [loss: string, isLost: IsLost][] = [
  ['its pair', isOfPair],
  ['its pair and kubeconfig', (path) => isOfPair(path) || path === KUBECONFIG],
  ['all but cluster.json', (path) => path !== RECORD],
]

const joinYaml = (rejoin: string, endpoint: string): ReturnType<typeof configurationWith> =>
  configurationWith({
    discovery: tokenDiscovery({ caCertHashes: [], unsafeSkipCAVerification: true, endpoints: [endpoint] }),
    recovery: { rejoin },
  })

const SAME = '10.0.0.10:6443'
const ELSEWHERE = '10.9.9.9:6443'

async function joined(): Promise<Stage> {
  const stage = new Stage({ configuration: joinYaml('same-cluster', SAME) })
  await stage.runFor(10 * MINUTE_MS)
  stage.clock.afterSleep = () => undefined
  assert.equal(stage.status.state, 'healthy')
  return stage
}

/** Started again after a loss, with what join.yaml says then, before the cluster that it finds. */
async function bereft(isLost: IsLost, rejoin: string, endpoint = SAME, other?: FakeCluster): Promise<Stage> {
  const { clock, files, cluster } = await joined()
  for (const path of files.entries.keys()) if (isLost(path)) files.entries.delete(path)
  const stage = new Stage({ configuration: joinYaml(rejoin, endpoint), clock, files, cluster: other ?? cluster })
  await stage.runFor(10 * MINUTE_MS)
  return stage
}

describe('a node that has lost', () => {
  for (const [loss, isLost] of losses) {
    it(`${loss} joins again in its cluster where recovery.rejoin is same-cluster`, async () => {
      const stage = await bereft(isLost, 'same-cluster')
      assert.equal(stage.status.state, 'healthy')
      assert.equal(stage.cluster.posts.length, 2)
    })

    it(`${loss} asks no other cluster where recovery.rejoin is same-cluster`, async () => {
      const other = new FakeCluster((await joined()).clock)
      const stage = await bereft(isLost, 'same-cluster', ELSEWHERE, other)
      assert.equal(other.posts.length, 0)
      assert.equal(stage.status.problem?.code, 'other-cluster')
    })

    it(`${loss} joins another cluster where recovery.rejoin is any`, async () => {
      const other = new FakeCluster((await joined()).clock)
      const stage = await bereft(isLost, 'any', ELSEWHERE, other)
      assert.equal(other.posts.length, 1)
      assert.equal(stage.status.state, 'healthy')
    })

    for (const [where, endpoint] of [
      ['its own', SAME],
      ['another', ELSEWHERE],
    ] as const)
      it(`${loss} asks for nothing where recovery.rejoin is never and join.yaml names ${where} cluster`, async () => {
        const stage = await bereft(isLost, 'never', endpoint)
        assert.equal(stage.cluster.posts.length, 1)
        assert.deepEqual([stage.status.state, stage.status.problem?.code], ['failed', 'rejoin-forbidden'])
      })
  }

  it('everything is known to nobody: it joins as a new machine, whatever recovery.rejoin says', async () => {
    const stage = await bereft(() => true, 'never')
    assert.equal(stage.status.state, 'healthy')
    assert.equal(stage.cluster.posts.length, 2)
  })
})

describe('a node whose discovery.file names another cluster', () => {
  const NAMED = '/etc/node-bootstrap/cluster-info.yaml'

  const byFile = (rejoin: string, caFile?: string): ReturnType<typeof configurationWith> =>
    configurationWith({
      discovery: { file: { path: NAMED, ...(caFile === undefined ? {} : { caFile }) } },
      bootstrap: { token: `${TOKEN_ID}.${TOKEN_SECRET}` },
      recovery: { rejoin },
    })

  const put = ({ files }: Stage, path: string, text: string): void => {
    files.entries.set(path, { kind: 'file', content: Buffer.from(text), target: '', mode: 0o600, modifiedMs: 0 })
  }

  function name(stage: Stage): void {
    const pem = stage.cluster.ca.certificatePem
    const cluster = { server: `https://${SAME}`, 'certificate-authority-data': btoa(pem) }
    put(stage, NAMED, JSON.stringify({ apiVersion: 'v1', kind: 'Config', clusters: [{ name: '', cluster }] }))
    put(stage, CA_FILE, pem)
  }

  /** The file names another one when the agent starts again. */
  async function renamed(isLost: IsLost, rejoin: string, caFile?: string): Promise<Stage> {
    const configuration = byFile(rejoin, caFile)
    const first = new Stage({ configuration })
    name(first)
    await first.runFor(10 * MINUTE_MS)
    assert.equal(first.status.state, 'healthy')
    const { clock, files } = first
    clock.afterSleep = () => undefined
    for (const path of files.entries.keys()) if (isLost(path)) files.entries.delete(path)
    const again = new Stage({ configuration, clock, files, cluster: new FakeCluster(clock, undefined, newAuthority()) })
    name(again)
    await again.runFor(10 * MINUTE_MS)
    return again
  }

  for (const [has, isLost] of [
    ['has its pair', (): boolean => false],
    ['has lost its pair', isOfPair],
  ] as const) {
    it(`and that ${has} asks that one for nothing, and says which one it knew`, async () => {
      const { cluster, status } = await renamed(isLost, 'same-cluster')
      assert.equal(cluster.posts.length, 0)
      assert.equal(status.problem?.code, 'other-cluster')
    })

    it(`and that ${has} joins there where recovery.rejoin is any`, async () => {
      const { cluster, status } = await renamed(isLost, 'any')
      assert.deepEqual([cluster.posts.length, status.state], [1, 'healthy'])
    })
  }

  it('and whose caFile vouches for the CA joins under that one', async () => {
    const { cluster, status } = await renamed(isOfPair, 'same-cluster', CA_FILE)
    assert.deepEqual([cluster.posts.length, status.state], [1, 'healthy'])
  })
})

describe('a node that was to move to another cluster, and is not to any more', () => {
  it('is the node that it was, by its pair, where it had not joined there yet', async () => {
    const { clock, files, cluster } = await joined()
    const other = new FakeCluster(clock)
    other.verdict = 'leave'
    const moving = new Stage({ configuration: joinYaml('any', ELSEWHERE), clock, files, cluster: other })
    await moving.runFor(10 * MINUTE_MS)
    assert.equal(other.posts.length, 1)
    clock.afterSleep = () => undefined
    const back = new Stage({ configuration: joinYaml('same-cluster', SAME), clock, files, cluster })
    await back.runFor(10 * MINUTE_MS)
    assert.deepEqual([back.status.state, back.status.problem?.code], ['healthy', undefined])
    assert.equal(cluster.posts.length, 1)
  })
})

describe('a machine on which another cluster’s pair lies', () => {
  const withForeignPair = (): Stage => {
    const stage = new Stage({ configuration: joinYaml('never', SAME) })
    renewAsAnother(stage, 'kubelet-client', {}, newAuthority())
    return stage
  }

  it('is held by recovery.rejoin never while it lies there, says the way out, and joins when it is gone', async () => {
    const stage = withForeignPair()
    await stage.runFor(10 * MINUTE_MS)
    assert.equal(stage.status.problem?.code, 'rejoin-forbidden')
    assert.match(stage.status.problem.hint, /node-bootstrap reset --kubelet-files/)
    assert.equal((await readClusterRecord(stage.files, STATE))?.hasJoined, false)
    const { clock, files, cluster } = stage
    clock.afterSleep = () => undefined
    for (const path of files.entries.keys()) if (isOfPair(path)) files.entries.delete(path)
    const again = new Stage({ configuration: joinYaml('never', SAME), clock, files, cluster })
    await again.runFor(10 * MINUTE_MS)
    assert.equal(again.status.state, 'healthy')
    assert.equal((await readClusterRecord(files, STATE))?.hasJoined, true)
  })

  it('and a kubeconfig of the agent’s was a node, and cluster.json says so from then on', async () => {
    const stage = withForeignPair()
    const kubeconfig = (await joined()).files.entries.get(KUBECONFIG)
    assert.ok(kubeconfig !== undefined)
    stage.files.entries.set(KUBECONFIG, kubeconfig)
    await stage.runFor(10 * MINUTE_MS)
    assert.equal((await readClusterRecord(stage.files, STATE))?.hasJoined, true)
  })
})

describe('cluster.json', () => {
  it('does not say that a machine has joined before it has, so that an interrupted first join goes on', async () => {
    const configuration = joinYaml('never', SAME)
    const stage = new Stage({ configuration })
    stage.cluster.verdict = 'leave'
    stage.onReport = ({ request }) => {
      if (request?.createdAt !== undefined) stage.stop()
    }
    await stage.run()
    const { clock, files, cluster } = stage
    assert.equal((await readClusterRecord(files, STATE))?.hasJoined, false)
    cluster.settle(cluster.requests[0]?.name ?? '', 'approve')
    const again = new Stage({ configuration, clock, files, cluster })
    await again.runFor(MINUTE_MS)
    assert.equal(again.status.state, 'healthy')
    assert.equal((await readClusterRecord(files, STATE))?.hasJoined, true)
  })

  it('of a version that did not write down that it has joined is told by what the node has, and writes it down', async () => {
    const { clock, files, cluster } = await joined()
    const record = await readClusterRecord(files, STATE)
    assert.ok(record !== undefined)
    await writeClusterRecord(files, STATE, { ...record, hasJoined: false })
    // What the kubelet reads is as it should be: nothing need be written there.
    files.fault = (method, path) => {
      if (method === 'createSynced' && path.startsWith('/etc/kubernetes/'))
        throw new BootstrapError('storage-read-only', `${path} cannot be written (EROFS)`)
    }
    const stage = new Stage({ configuration: joinYaml('never', SAME), clock, files, cluster })
    await stage.runFor(MINUTE_MS)
    // Nor is it any less a node meanwhile: a status with a step takes its mark away.
    assert.deepEqual(
      stage.reports.filter(({ state, step }) => state !== 'healthy' && step !== undefined),
      [],
    )
    assert.equal(stage.status.state, 'healthy')
    assert.equal((await readClusterRecord(files, STATE))?.hasJoined, true)
    assert.equal(cluster.posts.length, 1)
  })

  it('that is lost while the pair is there says again that the node has joined, once the cluster is discovered', async () => {
    const { clock, files, cluster } = await joined()
    files.entries.delete(RECORD)
    const stage = new Stage({ configuration: configurationWith({ discovery: pinless }), clock, files, cluster })
    // The certificate is not needed for it: what comes next may take it away.
    stage.onReport = () => {
      if (files.text(RECORD) !== undefined) stage.stop()
    }
    await stage.run()
    assert.equal((await readClusterRecord(files, STATE))?.hasJoined, true)
  })
})
