/** What another CA bundle must not lose, through the whole loop: over https, where a rediscovery finds it, and for the server itself. */
import assert from 'node:assert/strict'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import type { HttpRequest, HttpResponse } from '../../../src/lib/ports.ts'
import { statusResponse, type SeenRequest } from './fakes.ts'
import { configurationWith, DAY_MS, MINUTE_MS, TOKEN_ID, TOKEN_SECRET, tokenDiscovery } from './fixtures.ts'
import { Stage, type StageOptions } from './loop-stage.ts'

const CA = '/etc/kubernetes/pki/ca.crt'
const KUBECONFIG = '/etc/kubernetes/kubelet.conf'
const CA_FILE = '/etc/node-bootstrap/ca.crt'
const RECORD = '/var/lib/node-bootstrap/cluster.json'
const MARK = '# Written by node-bootstrap, which keeps it current.\n'

const other = createCertificateAuthority()

/** The same machine and cluster with another process. */
async function later(before: Stage, options: StageOptions, prepare: (stage: Stage) => void): Promise<Stage> {
  const { clock, files, cluster } = before
  clock.afterSleep = () => undefined
  const stage = new Stage({ maxReports: 50_000, ...options, clock, files, cluster })
  prepare(stage)
  await stage.runFor(10 * MINUTE_MS)
  return stage
}

async function put({ files }: Stage, path: string, text: string): Promise<void> {
  files.entries.delete(path)
  await files.createSynced(path, Buffer.from(text), 0o644)
}

function assertHeldBack({ status }: Stage, why: RegExp): void {
  assert.deepEqual([status.state, status.problem?.code], ['degraded', 'ca-bundle-held-back'])
  assert.match(status.problem?.message ?? '', why)
}

describe('Loop: a CA bundle that does not cover the server', () => {
  it('is held back, though the certificate of the node is signed by a CA in it', async () => {
    const stage = new Stage()
    const own = stage.cluster.ca.certificatePem
    stage.cluster.publishedAuthorities = own + other.certificatePem
    await stage.runFor(10 * MINUTE_MS)
    assert.equal(stage.files.text(CA), MARK + own + other.certificatePem)

    const after = await later(stage, {}, ({ cluster }) => {
      const request = cluster.request.bind(cluster)
      // The server has a certificate of the other CA by now.
      cluster.request = (asked: HttpRequest) =>
        asked.trust !== 'unverified' && !asked.trust.roots.includes(other.certificatePem)
          ? Promise.reject(new BootstrapError('server-untrusted', 'of another CA'))
          : request(asked)
      cluster.publishedAuthorities = own
    })
    assertHeldBack(after, /of another CA/)
    assert.equal(after.files.text(CA), MARK + own + other.certificatePem)
  })
})

describe('Loop: the CA bundle in a kubeconfig over https', () => {
  const web = createCertificateAuthority({ commonName: 'web' })
  const configuration = configurationWith({
    discovery: { https: { url: 'https://config.test/cluster-info.yaml', caFile: CA_FILE } },
  })

  const documentOf = (bundle: string, server = 'https://10.0.0.10:6443'): string =>
    JSON.stringify({
      clusters: [
        { name: '', cluster: { server, 'certificate-authority-data': Buffer.from(bundle).toString('base64') } },
      ],
      users: [{ name: '', user: { token: `${TOKEN_ID}.${TOKEN_SECRET}` } }],
    })

  /** From then on https://config.test answers so; the validators that it was shown. */
  function serve(
    { cluster }: Stage,
    answer: (etag: string | undefined) => Partial<HttpResponse>,
  ): (string | undefined)[] {
    const request = cluster.request.bind(cluster)
    const shown: (string | undefined)[] = []
    cluster.request = (asked: HttpRequest) => {
      if (asked.url.host !== 'config.test') return request(asked)
      const etag = asked.headers?.['if-none-match']
      shown.push(etag)
      return Promise.resolve({ status: 200, headers: { etag: '"1"' }, body: new Uint8Array(), ...answer(etag) })
    }
    return shown
  }

  async function joined(): Promise<Stage> {
    const stage = new Stage({ configuration })
    await put(stage, CA_FILE, web.certificatePem)
    serve(stage, () => ({ body: Buffer.from(documentOf(stage.cluster.ca.certificatePem)) }))
    await stage.runFor(10 * MINUTE_MS)
    assert.equal(stage.status.state, 'healthy')
    return stage
  }

  const handing = async (document: (own: string) => string): Promise<Stage> =>
    later(await joined(), { configuration }, (stage) => {
      serve(stage, () => ({ headers: { etag: '"2"' }, body: Buffer.from(document(stage.cluster.ca.certificatePem)) }))
    })

  it('is replaced by one with a new CA beside the old one', async () => {
    const stage = await handing((own) => documentOf(own + other.certificatePem))
    assert.equal(stage.files.text(CA), MARK + stage.cluster.ca.certificatePem + other.certificatePem)
    assert.equal(stage.status.state, 'healthy')
    assert.match(stage.status.cluster?.evidence.verified.join() ?? '', /its CA bundle was renewed/)
    assert.equal(stage.cluster.posts.length, 1)
  })

  it('stays where the new one drops the CA of the certificate', async () => {
    const stage = await handing(() => documentOf(other.certificatePem))
    assertHeldBack(stage, /drops the CA that the certificate of this node/)
    assert.equal(stage.files.text(CA), MARK + stage.cluster.ca.certificatePem)
  })

  it('stays where the new one is of another cluster, although the certificate is refused', async () => {
    const stage = await later(await joined(), { configuration }, (after) => {
      serve(after, () => ({ headers: { etag: '"2"' }, body: Buffer.from(documentOf(other.certificatePem)) }))
      after.cluster.fault = ({ path }) => (path.includes('/nodes/') ? statusResponse(401, 'Unauthorized') : undefined)
    })
    assert.equal(stage.status.cluster?.published?.is, 'held-back')
    assert.equal(stage.files.text(CA), MARK + stage.cluster.ca.certificatePem)
  })

  it('comes with the server, which is followed where the CA vouches for it', async () => {
    const stage = await handing((own) => documentOf(own, 'https://10.0.0.11:6443'))
    assert.equal(stage.status.cluster?.server, 'https://10.0.0.11:6443')
    assert.match(stage.files.text(KUBECONFIG) ?? '', /server: "https:\/\/10\.0\.0\.11:6443"/)
    assert.equal(stage.status.state, 'healthy')
  })

  it('is asked for with the validator of the last answer, and nothing is written where it has not changed', async () => {
    const before = await joined()
    const record = before.files.entries.get(RECORD)
    let shown: (string | undefined)[] = []
    const stage = await later(before, { configuration }, (after) => {
      shown = serve(after, () => ({ status: 304 }))
    })
    assert.deepEqual(shown, ['"1"'])
    assert.equal(stage.files.entries.get(RECORD), record)
    assert.equal(stage.status.cluster?.published?.is, 'in-force')
  })

  it('is as good as it was while its server fails', async () => {
    const stage = await later(await joined(), { configuration }, (after) => {
      serve(after, () => ({ status: 503 }))
    })
    assert.equal(stage.status.state, 'healthy')
    assert.equal(stage.status.cluster?.published?.is, 'unreadable')
  })
})

describe('Loop: a rediscovery that finds a bundle without the CA of the certificate', () => {
  const isAboutIdentity = ({ path, requester }: SeenRequest): boolean =>
    requester === 'node' && path.includes('/nodes/')

  /** caFile now holds the other CA alone, and so does cluster-info: discovery is content, under the same join.yaml. */
  async function moved(
    recovery: object,
    prepare: (stage: Stage) => void = () => undefined,
  ): Promise<{ stage: Stage; own: string }> {
    const configuration = configurationWith({
      discovery: tokenDiscovery({ caCertHashes: [], caFile: CA_FILE }),
      ...recovery,
    })
    const before = new Stage({ configuration })
    const own = before.cluster.ca.certificatePem
    await put(before, CA_FILE, own)
    await before.runFor(10 * MINUTE_MS)
    assert.equal(before.status.state, 'healthy')
    await put(before, CA_FILE, other.certificatePem)
    const stage = await later(before, { configuration }, (after) => {
      const { cluster, clock } = after
      cluster.publishedAuthorities = other.certificatePem
      cluster.sign = (subjectPublicKeyInfo) =>
        other.issue({
          subjectPublicKeyInfo,
          commonName: 'system:node:worker-1',
          organizations: ['system:nodes'],
          extendedKeyUsages: ['clientAuth'],
          notBeforeMs: clock.nowMs(),
          notAfterMs: clock.nowMs() + DAY_MS,
        }).certificatePem
      prepare(after)
    })
    return { stage, own }
  }

  it('is held back while the server takes the certificate', async () => {
    const { stage, own } = await moved({})
    assertHeldBack(stage, /discovered drops the CA/)
    assert.equal(stage.files.text(CA), MARK + own)
    assert.equal(stage.cluster.posts.length, 1)
  })

  it('is held back while nobody can be asked about the certificate', async () => {
    const { stage, own } = await moved({}, ({ cluster }) => {
      cluster.fault = (seen) => (isAboutIdentity(seen) ? new BootstrapError('unreachable', 'away') : undefined)
    })
    assertHeldBack(stage, /discovered drops the CA/)
    assert.equal(stage.files.text(CA), MARK + own)
  })

  const believed: readonly [sentence: string, recovery: object, prepare?: (stage: Stage) => void][] = [
    [
      'is believed where the server takes it no more, and the node joins under it',
      {},
      ({ cluster }) => {
        cluster.fault = (seen) =>
          isAboutIdentity(seen) && cluster.posts.length === 1 ? statusResponse(401, 'Unauthorized') : undefined
      },
    ],
    ['is believed where the operator lets the node move', { recovery: { rejoin: 'any' } }],
  ]
  for (const [sentence, recovery, prepare] of believed)
    it(sentence, async () => {
      const { stage } = await moved(recovery, prepare)
      assert.equal(stage.files.text(CA), MARK + other.certificatePem)
      assert.deepEqual(
        stage.cluster.posts.map(({ requester }) => requester),
        ['bootstrap', 'bootstrap'],
      )
      assert.equal(stage.status.state, 'healthy')
    })
})
