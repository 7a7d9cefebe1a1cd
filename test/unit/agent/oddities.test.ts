/** Every odd state of the disk: it is told by its name, it has its one answer, and the node is healthy again. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { CLIENT, SERVING } from '../../../src/agent/certificate-kind.ts'
import { odditySentence, oddities, type Oddity } from '../../../src/agent/oddities.ts'
import { REJOIN_BUDGET } from '../../../src/agent/rejoin.ts'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { configurationWith, DAY_MS, HOUR_MS, MINUTE_MS } from './fixtures.ts'
import { pinless, Stage } from './loop-stage.ts'
import { FakeCluster } from './fakes.ts'

const CURRENT = '/var/lib/kubelet/pki/kubelet-client-current.pem'
const SERVING_CURRENT = '/var/lib/kubelet/pki/kubelet-server-current.pem'
const STATE = '/var/lib/node-bootstrap'
const KUBECONFIG = '/etc/kubernetes/kubelet.conf'
const CA = '/etc/kubernetes/pki/ca.crt'
const KUBELET_CONFIG = '/var/lib/kubelet/config.yaml'

const OLDER = '/var/lib/kubelet/pki/kubelet-client-2020-01-01-00-00-00.pem'

const targetOf = (stage: Stage, link = CURRENT): string => stage.files.entries.get(link)?.target ?? ''

async function write(stage: Stage, path: string, text: string, mode = 0o600): Promise<void> {
  await stage.files.remove(path)
  await stage.files.createSynced(path, Buffer.from(text), mode)
}

/** Joins, lets `after` pass, spoils the disk, and runs for another hour. */
async function spoilt(spoil: (stage: Stage) => unknown, options: { stage?: Stage; afterMs?: number } = {}) {
  const stage = options.stage ?? new Stage({ maxReports: 50_000 })
  const afterMs = options.afterMs ?? 10 * MINUTE_MS
  const endMs = afterMs + HOUR_MS
  let isSpoilt = false
  stage.clock.afterSleep = async () => {
    if (isSpoilt || stage.clock.monotonicMs() < afterMs) return
    isSpoilt = true
    await spoil(stage)
  }
  await stage.runFor(endMs)
  return stage
}

const pairOf = (stage: Stage, commonName: string, authority = stage.cluster.ca): string => {
  const issued = authority.issue({
    commonName,
    organizations: ['system:nodes'],
    extendedKeyUsages: ['clientAuth'],
    notBeforeMs: stage.clock.nowMs() - HOUR_MS,
    notAfterMs: stage.clock.nowMs() + DAY_MS,
  })
  return issued.certificatePem + issued.privateKeyPem
}

/** As on a network file system that refuses root a file of another user, or on a bad block. */
async function refuseToRead(stage: Stage, path: string): Promise<void> {
  await write(stage, path, 'whatever')
  stage.files.fault = (method, of) => {
    if (method === 'read' && of === path) throw new BootstrapError('storage-denied', `${path} cannot be read (EACCES)`)
  }
}

interface Row {
  oddity: Oddity
  /** With a serving certificate beside the node's own. */
  isServing?: boolean
  spoil: (stage: Stage) => unknown
  /** CertificateSigningRequests in all, when it is over. */
  requests: number
}

const rows: readonly Row[] = [
  { oddity: 'link-missing', spoil: (stage) => stage.files.remove(CURRENT), requests: 1 },
  {
    oddity: 'link-dangling',
    spoil: async ({ files }) => {
      await files.remove(CURRENT)
      await files.symlink('/var/lib/kubelet/pki/kubelet-client-gone.pem', CURRENT)
    },
    requests: 1,
  },
  { oddity: 'link-dangling', spoil: (stage) => stage.files.remove(targetOf(stage)), requests: 2 },
  { oddity: 'private-key-unreadable', spoil: (stage) => write(stage, targetOf(stage), ''), requests: 2 },
  {
    oddity: 'private-key-unreadable',
    spoil: (stage) => write(stage, targetOf(stage), stage.files.text(CURRENT)?.slice(0, 700) ?? ''),
    requests: 2,
  },
  {
    oddity: 'certificate-unreadable',
    spoil: (stage) => write(stage, targetOf(stage), stage.files.text(CURRENT)?.replace('MII', 'AAA') ?? ''),
    requests: 2,
  },
  {
    oddity: 'key-mismatch',
    spoil: (stage) => {
      const [certificate = ''] = (stage.files.text(CURRENT) ?? '').split(/(?=-----BEGIN PRIVATE)/)
      const [, key = ''] = pairOf(stage, 'system:node:worker-1').split(/(?=-----BEGIN PRIVATE)/)
      return write(stage, targetOf(stage), certificate + key)
    },
    requests: 2,
  },
  {
    oddity: 'not-a-link',
    spoil: async (stage) => {
      const text = stage.files.text(CURRENT) ?? ''
      await write(stage, CURRENT, text)
    },
    requests: 1,
  },
  {
    oddity: 'readable-by-others',
    spoil: (stage) => write(stage, targetOf(stage), stage.files.text(CURRENT) ?? '', 0o644),
    requests: 1,
  },
  {
    oddity: 'older-pair-readable-by-others',
    spoil: (stage) => write(stage, OLDER, pairOf(stage, 'system:node:w'), 0o640),
    requests: 1,
  },
  {
    oddity: 'older-pair-unreadable',
    spoil: (stage) => refuseToRead(stage, OLDER),
    requests: 1,
  },
  {
    oddity: 'older-pair-unreadable',
    isServing: true,
    spoil: (stage) => refuseToRead(stage, OLDER.replace('client', 'server')),
    requests: 2,
  },
  {
    oddity: 'cluster-record-readable-by-others',
    spoil: (stage) => write(stage, `${STATE}/cluster.json`, stage.files.text(`${STATE}/cluster.json`) ?? '', 0o644),
    requests: 1,
  },
  {
    // As with the kubeconfig of an https server in it, which may be large.
    oddity: 'cluster-record-readable-by-others',
    spoil: (stage) =>
      write(stage, `${STATE}/cluster.json`, (stage.files.text(`${STATE}/cluster.json`) ?? '').padEnd(2 ** 21), 0o644),
    requests: 1,
  },
  {
    oddity: 'pending-request-readable-by-others',
    spoil: (stage) => write(stage, `${STATE}/pending-request.pem`, 'half a k', 0o604),
    requests: 1,
  },
  {
    oddity: 'pending-request-readable-by-others',
    isServing: true,
    spoil: (stage) => write(stage, `${STATE}/serving/pending-request.pem`, 'half a k', 0o604),
    requests: 2,
  },
  {
    oddity: 'readable-by-others',
    spoil: (stage) => {
      const entry = stage.files.entries.get(targetOf(stage))
      assert.ok(entry !== undefined)
      entry.isOthers = true
    },
    requests: 1,
  },
  {
    oddity: 'not-of-this-node',
    spoil: (stage) => write(stage, targetOf(stage), pairOf(stage, 'system:node:worker-2')),
    requests: 2,
  },
  {
    oddity: 'not-of-this-cluster',
    spoil: (stage) =>
      write(stage, targetOf(stage), pairOf(stage, 'system:node:worker-1', createCertificateAuthority())),
    requests: 2,
  },
  {
    oddity: 'not-for-clients',
    spoil: (stage) => {
      const { certificatePem, privateKeyPem } = stage.cluster.ca.issue({
        commonName: 'system:node:worker-1',
        organizations: ['system:nodes'],
        extendedKeyUsages: ['serverAuth'],
      })
      return write(stage, targetOf(stage), certificatePem + privateKeyPem)
    },
    requests: 2,
  },
  {
    oddity: 'cluster-record-unreadable',
    spoil: (stage) => write(stage, `${STATE}/cluster.json`, '{'),
    requests: 1,
  },
  {
    oddity: 'pending-request-unreadable',
    spoil: (stage) => write(stage, `${STATE}/pending-request.pem`, 'half a k'),
    requests: 1,
  },
  {
    oddity: 'key-ledger-unreadable',
    spoil: (stage) => write(stage, `${STATE}/keys-made.json`, '{"madeAt": ['),
    requests: 1,
  },
  { oddity: 'hook-record-unreadable', spoil: (stage) => write(stage, `${STATE}/hooks.json`, '{'), requests: 1 },
  {
    oddity: 'asked-renewal-unreadable',
    spoil: (stage) => write(stage, `${STATE}/asked-renewal.json`, '{'),
    requests: 1,
  },
  {
    oddity: 'kubeconfig-readable-by-others',
    spoil: (stage) => write(stage, KUBECONFIG, stage.files.text(KUBECONFIG) ?? '', 0o644),
    requests: 1,
  },
  // As a hook or an operator may mean it: docs/security.md says why it is taken back all the same.
  {
    oddity: 'kubeconfig-readable-by-others',
    spoil: (stage) => write(stage, KUBECONFIG, stage.files.text(KUBECONFIG) ?? '', 0o640),
    requests: 1,
  },
  {
    oddity: 'readable-by-others',
    spoil: (stage) => write(stage, targetOf(stage), stage.files.text(CURRENT) ?? '', 0o640),
    requests: 1,
  },
  { oddity: 'refusal-unreadable', spoil: (stage) => write(stage, `${STATE}/refusal.json`, '{'), requests: 1 },
  { oddity: 'ca-bundle-differs', spoil: (stage) => write(stage, CA, 'gone'), requests: 1 },
  { oddity: 'kubeconfig-differs', spoil: (stage) => write(stage, KUBECONFIG, 'kind: Config'), requests: 1 },
  {
    oddity: 'left-over',
    spoil: (stage) => write(stage, `${STATE}/.node-bootstrap-new`, 'half a file'),
    requests: 1,
  },
  {
    oddity: 'kubelet-rotates-too',
    spoil: (stage) => write(stage, KUBELET_CONFIG, 'kind: KubeletConfiguration\nrotateCertificates: true\n'),
    requests: 1,
  },
  {
    oddity: 'not-for-servers',
    isServing: true,
    spoil: (stage) => write(stage, targetOf(stage, SERVING_CURRENT), pairOf(stage, 'system:node:worker-1')),
    requests: 3,
  },
  {
    oddity: 'link-missing',
    isServing: true,
    spoil: (stage) => stage.files.remove(SERVING_CURRENT),
    requests: 2,
  },
  {
    oddity: 'left-over',
    isServing: true,
    spoil: (stage) => write(stage, `${STATE}/serving/.node-bootstrap-new`, 'half a file'),
    requests: 2,
  },
  {
    oddity: 'kubelet-asks-for-serving-too',
    isServing: true,
    spoil: (stage) => write(stage, KUBELET_CONFIG, 'kind: KubeletConfiguration\nserverTLSBootstrap: true\n'),
    requests: 2,
  },
  {
    oddity: 'kubelet-serves-another',
    isServing: true,
    spoil: (stage) => write(stage, KUBELET_CONFIG, `tlsCertFile: ${SERVING_CURRENT}\ntlsPrivateKeyFile: /etc/k.pem\n`),
    requests: 2,
  },
]

/** Its serving certificates are approved at once. */
function servingStage(): Stage {
  const configuration = configurationWith({ discovery: pinless, certificate: { serving: {} } })
  const stage = new Stage({ configuration, maxReports: 50_000 })
  stage.cluster.servingVerdict = 'approve'
  return stage
}

describe('an odd state of the disk', () => {
  for (const [index, { oddity, spoil, requests, isServing = false }] of rows.entries())
    it(`${oddity} (${index + 1}): is told once, and the node is healthy again with ${requests} requests in all`, async () => {
      const stage = await spoilt(spoil, isServing ? { stage: servingStage() } : {})
      const sentence = odditySentence(oddity, isServing ? SERVING.title : CLIENT.title)
      assert.equal(stage.messages('warn').filter((message) => message === sentence).length, 1)
      assert.equal(stage.status.state, 'healthy')
      assert.equal(stage.cluster.posts.length, requests)
      const target = stage.files.entries.get(targetOf(stage))
      assert.equal(stage.files.entries.get(CURRENT)?.kind, 'link')
      assert.equal(target?.mode, 0o600)
      assert.equal(stage.files.entries.get(KUBECONFIG)?.mode, 0o600)
      assert.ok(![...stage.files.entries.keys()].some((path) => basename(path) === '.node-bootstrap-new'))
      for (const [path, entry] of stage.files.entries)
        if (/kubelet-(client|server)-\d|node-bootstrap\//.test(path))
          assert.deepEqual([entry.mode, entry.isOthers ?? false], [0o600, false], path)
    })

  it('has a row here for each that there is, but for a request under way and what the kubelet renews', () => {
    const shown = new Set<string>(rows.map((row) => row.oddity))
    assert.deepEqual(
      Object.keys(oddities).filter((oddity) => !shown.has(oddity)),
      ['link-behind-kubelet', 'pending-request-outdated'],
    )
  })

  it('stands in the table of docs/architecture.md with what is said of it and its answer', () => {
    const page = readFileSync(new URL('../../../docs/architecture.md', import.meta.url), 'utf8')
    for (const [oddity, { answer }] of Object.entries(oddities))
      assert.match(page, new RegExp(`\\| \`${oddity}\` +\\|.*\\| ${answer} +\\|`))
  })
})

describe('an older pair that cannot be read', () => {
  it('keeps no renewal up, and is told once until it is removed as too old', async () => {
    const stage = await spoilt((spoilt) => refuseToRead(spoilt, OLDER), { afterMs: 2 * DAY_MS })
    const before = stage.cluster.posts.length
    stage.clock.afterSleep = () => undefined
    const { clock, files, cluster } = stage
    await refuseToRead(stage, OLDER)
    const after = new Stage({ clock, files, cluster, maxReports: 50_000 })
    await after.runFor(2 * DAY_MS)
    assert.ok(cluster.posts.length >= before + 2)
    assert.equal(after.status.state, 'healthy')
    assert.equal(after.messages('warn').filter((text) => text === odditySentence('older-pair-unreadable')).length, 1)
    assert.deepEqual(after.messages('error'), [])
    assert.equal(files.entries.has(OLDER), false)
  })

  it('is no reason to join again where it may be the pair to restore: the disk is looked at again', async () => {
    const stage = await spoilt(async (spoilt) => {
      const pair = targetOf(spoilt)
      const text = spoilt.files.text(pair) ?? ''
      await spoilt.files.remove(CURRENT)
      await refuseToRead(spoilt, pair)
      await write(spoilt, pair, text)
    })
    assert.equal(stage.cluster.posts.length, 1)
    assert.equal(stage.status.problem?.code, 'storage-denied')
  })

  it('is passed over where another one can be restored', async () => {
    const stage = await spoilt(async (spoilt) => {
      await spoilt.files.remove(CURRENT)
      await refuseToRead(spoilt, OLDER)
    })
    assert.equal(stage.cluster.posts.length, 1)
    assert.equal(stage.status.state, 'healthy')
  })
})

describe('a node whose pair is gone', () => {
  const neverAgain = configurationWith({ discovery: pinless, recovery: { rejoin: 'never' } })

  it('asks for nothing where recovery.rejoin is never, and says so', async () => {
    const stage = await spoilt(({ files }) => files.remove(CURRENT).then(() => removeDated(files)), {
      stage: new Stage({ configuration: neverAgain, maxReports: 50_000 }),
    })
    assert.equal(stage.cluster.posts.length, 1)
    assert.equal(stage.status.state, 'failed')
    assert.equal(stage.status.problem?.code, 'rejoin-forbidden')
  })

  it('joins the first time all the same where recovery.rejoin is never', async () => {
    const stage = new Stage({ configuration: neverAgain })
    await stage.runFor(HOUR_MS)
    assert.equal(stage.status.state, 'healthy')
  })

  it(`joins ${REJOIN_BUDGET} times an hour at most, over restarts, where another program takes the pair away each minute`, async () => {
    const stage = new Stage({ maxReports: 50_000 })
    stage.clock.afterSleep = () => removeDated(stage.files)
    const startMs = stage.clock.nowMs()
    await stage.runFor(4.5 * HOUR_MS)
    const times = stage.cluster.posts.map(({ atMs }) => atMs - startMs)
    assert.ok(times.length > REJOIN_BUDGET)
    for (const at of times)
      assert.ok(times.filter((other) => other >= at && other < at + HOUR_MS).length <= REJOIN_BUDGET, times.join())
    const again = new Stage({ maxReports: 50_000 })
    for (const [path, entry] of stage.files.entries) again.files.entries.set(path, entry)
    again.clock.step(4.5 * HOUR_MS)
    await again.runFor(MINUTE_MS)
    assert.equal(again.cluster.posts.length, 0)
    assert.deepEqual(
      [again.status.problem?.code, again.status.problem?.message],
      ['rejoin-budget-spent', '6 keys were made with the bootstrap credential within an hour'],
    )
  })

  it('gets one key, and no new budget, where keys-made.json is damaged; and the next ones an hour later', async () => {
    const stage = new Stage({ maxReports: 50_000 })
    stage.clock.afterSleep = () => removeDated(stage.files)
    await stage.runFor(30 * MINUTE_MS)
    const { clock, files, cluster } = stage
    assert.equal(cluster.posts.length, REJOIN_BUDGET)
    await write(stage, `${STATE}/keys-made.json`, '{')
    const damagedMs = clock.nowMs()
    clock.afterSleep = () => removeDated(files)
    const again = new Stage({ clock, files, cluster, maxReports: 50_000 })
    const told = new Set<string>()
    again.onReport = ({ problem }) => {
      const isFirstHour = clock.nowMs() < damagedMs + HOUR_MS
      if (isFirstHour && problem?.code === 'rejoin-budget-spent') told.add(problem.message)
    }
    await again.runFor(2 * HOUR_MS)
    assert.deepEqual(
      [...told],
      [
        '1 key was made with the bootstrap credential since keys-made.json was damaged, and 5 more count because nobody knows how many there were in the hour before',
      ],
    )
    const after = cluster.posts.slice(REJOIN_BUDGET).map(({ atMs }) => atMs - damagedMs)
    assert.equal(after.filter((ms) => ms < HOUR_MS).length, 1)
    assert.ok(after.length > 1)
  })

  it('does not wait for its budget when the operator asks', async () => {
    const stage = new Stage({ maxReports: 50_000 })
    stage.clock.afterSleep = () => removeDated(stage.files)
    let asked = 0
    stage.onReport = ({ problem }) => {
      if (problem?.code !== 'rejoin-budget-spent' || asked > 0) return
      asked = stage.cluster.posts.length
      stage.loop.retryNow()
    }
    await stage.runFor(12 * MINUTE_MS)
    assert.equal(asked, REJOIN_BUDGET)
    assert.ok(stage.cluster.posts.length > asked)
  })

  it('says what to supply and where while its token is refused, and is healthy as soon as that is supplied', async () => {
    const stage = new Stage({ maxReports: 50_000 })
    let isRefused = false
    let state: string | undefined
    let hint: string | undefined
    stage.cluster.fault = ({ requester }) =>
      isRefused && requester === 'bootstrap' ? new BootstrapError('unauthorized', 'Unauthorized') : undefined
    stage.onReport = (status) => {
      if (status.problem?.code !== 'rejoin-needs-credential' || !isRefused) return
      ;[state, hint, isRefused] = [status.state, status.problem.hint, false]
      stage.loop.retryNow()
    }
    await spoilt(
      async ({ files }) => {
        isRefused = true
        await removeDated(files)
      },
      { stage },
    )
    assert.equal(state, 'degraded')
    assert.match(hint ?? '', /kubeadm token create.*join\.yaml as discovery\.token\.token/)
    assert.equal(stage.status.state, 'healthy')
  })

  async function removeDated(files: Stage['files']): Promise<void> {
    for (const path of files.entries.keys()) if (path.includes('/kubelet-client-')) await files.remove(path)
  }
})

describe('a node that discovery leads to another cluster', () => {
  const elsewhere = (rejoin: string) =>
    configurationWith({
      discovery: { token: { ...(pinless['token'] as object), endpoints: ['10.9.9.9:6443'] } },
      recovery: { rejoin },
    })
  /** Joined to one cluster; then join.yaml names another. */
  async function moved(rejoin: string): Promise<{ stage: Stage; other: FakeCluster }> {
    const stage = new Stage({ maxReports: 50_000 })
    const other = new FakeCluster(stage.clock)
    const first = stage.cluster.request.bind(stage.cluster)
    const firstStream = stage.cluster.stream.bind(stage.cluster)
    let isMoved = false
    stage.cluster.request = (request) => (isMoved ? other.request(request) : first(request))
    stage.cluster.stream = (request) => (isMoved ? other.stream(request) : firstStream(request))
    await spoilt(
      () => {
        isMoved = true
        stage.loop.reconfigure(elsewhere(rejoin))
      },
      { stage },
    )
    return { stage, other }
  }

  it('stays in the one that it knew, with its certificate, and says which CA it was shown', async () => {
    const { stage, other } = await moved('same-cluster')
    assert.equal(other.posts.length, 0)
    assert.equal(stage.status.problem?.code, 'other-cluster')
    assert.equal(stage.status.state, 'degraded')
    assert.match(stage.status.problem.message, new RegExp(other.ca.caCertHash))
    assert.ok(stage.files.text(CA)?.endsWith(`\n${stage.cluster.ca.certificatePem}`))
  })

  it('moves there where recovery.rejoin is any', async () => {
    const { stage, other } = await moved('any')
    assert.equal(other.posts.length, 1)
    assert.equal(stage.status.state, 'healthy')
    assert.ok(stage.files.text(CA)?.endsWith(`\n${other.ca.certificatePem}`))
  })
})

describe('a renewal', () => {
  it('replaces nothing until the API server has taken the new certificate once', async () => {
    const stage = new Stage({ maxReports: 50_000 })
    let installed: string | undefined
    const refusedAt: number[] = []
    stage.cluster.fault = ({ path, atMs }) => {
      // The old one is asked about once an hour, and accepted.
      const isNew = stage.cluster.posts.length === 2 && stage.files.text(CURRENT) === installed
      if (!path.includes('/nodes/') || !isNew) return undefined
      refusedAt.push(atMs)
      assert.equal(stage.files.text(CURRENT), installed)
      return refusedAt.length < 4 ? new BootstrapError('unauthorized', 'Unauthorized') : undefined
    }
    const problems = new Set<string>()
    stage.onReport = ({ state, problem }) => {
      if (state === 'healthy') installed ??= stage.files.text(CURRENT)
      if (problem !== undefined) problems.add(`${state} ${problem.code}`)
    }
    await stage.runFor(DAY_MS)
    assert.equal(refusedAt.length, 4)
    assert.deepEqual([...problems], ['degraded identity-not-accepted'])
    assert.equal(stage.cluster.posts.length, 2)
    assert.notEqual(stage.files.text(CURRENT), installed)
    assert.equal(stage.status.state, 'healthy')
  })
})

describe('a certificate that the kubelet renews', () => {
  const kubelets = configurationWith({
    discovery: pinless,
    certificate: { rotation: { owner: 'kubelet' } },
  })

  it('is left to it: the agent warns when it is late, and joins again only when it has lapsed', async () => {
    const stage = new Stage({ configuration: kubelets, maxReports: 50_000 })
    const startMs = stage.clock.nowMs()
    const warned: number[] = []
    stage.onReport = ({ state, problem }) => {
      if (state === 'degraded' && problem?.code === 'renewal-overdue') warned.push(stage.clock.nowMs() - startMs)
    }
    await stage.runFor(DAY_MS + HOUR_MS)
    const [first, second, ...more] = stage.cluster.posts
    assert.equal(first?.requester, 'bootstrap')
    assert.equal(second?.requester, 'bootstrap')
    assert.deepEqual(more, [])
    assert.ok(second.atMs - startMs >= DAY_MS)
    assert.ok((warned[0] ?? 0) > 0.9 * DAY_MS && (warned[0] ?? 0) < 0.95 * DAY_MS)
    assert.ok(!stage.messages('warn').includes(odditySentence('kubelet-rotates-too')))
  })

  const filesOf = (stage: Stage): string[] =>
    [...stage.files.entries.keys()].filter((path) => path.includes('/kubelet-client-')).toSorted()

  it('stays its own over the gap in which it has a new pair and no link: no file and no link is touched', async () => {
    const paths = ['2026-11-23-13-00-00', '2026-11-23-14-00-00', '2026-11-23-15-00-00'].map(
      (stamp) => `/var/lib/kubelet/pki/kubelet-client-${stamp}.pem`,
    )
    const newest = paths.at(-1) ?? ''
    const stage = new Stage({ configuration: kubelets, maxReports: 50_000 })
    const inGap: boolean[] = []
    let files: string[] = []
    stage.clock.afterSleep = async () => {
      const minutes = stage.clock.monotonicMs() / MINUTE_MS
      if (minutes < 10 || files.length === 5) return
      if (files.length === 0) {
        for (const path of paths) await write(stage, path, pairOf(stage, 'system:node:worker-1'))
        await stage.files.remove(CURRENT)
        files = filesOf(stage)
      } else if (minutes < 30) inGap.push(stage.files.entries.has(CURRENT))
      else {
        await stage.files.symlink(newest, CURRENT)
        files = filesOf(stage)
      }
    }
    await stage.runFor(HOUR_MS)
    assert.ok(inGap.length > 5)
    assert.ok(!inGap.includes(true))
    assert.equal(files.length, 5)
    assert.deepEqual(filesOf(stage), files)
    assert.equal(targetOf(stage), newest)
    assert.equal(stage.status.state, 'healthy')
    assert.equal(stage.cluster.posts.length, 1)
    assert.equal(stage.messages('warn').filter((each) => each === odditySentence('link-behind-kubelet')).length, 1)
  })

  it('counts as long as its newest pair is valid, where the link still leads to one that has lapsed', async () => {
    let before = ''
    const stage = await spoilt(
      async (at) => {
        before = targetOf(at)
        at.clock.step(DAY_MS)
        await write(
          at,
          '/var/lib/kubelet/pki/kubelet-client-2026-11-24-15-00-00.pem',
          pairOf(at, 'system:node:worker-1'),
        )
      },
      { stage: new Stage({ configuration: kubelets }) },
    )
    assert.equal(targetOf(stage), before)
    assert.equal(stage.cluster.posts.length, 1)
  })

  it('is used from where the kubelet put it, and the link is left alone', async () => {
    const path = '/var/lib/kubelet/pki/kubelet-client-2026-11-23-13-00-00.pem'
    let text = ''
    const stage = await spoilt(async (at) => {
      text = pairOf(at, 'system:node:worker-1')
      await write(at, path, text)
      await at.files.remove(CURRENT)
      await at.files.symlink(path, CURRENT)
    })
    assert.equal(stage.cluster.posts.length, 1)
    assert.equal(stage.files.text(CURRENT), text)
    assert.equal(targetOf(stage), path)
    assert.equal(stage.messages('info').filter((message) => message.startsWith('another program')).length, 1)
  })
})
