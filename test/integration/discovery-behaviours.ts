/** Joining by a kubeconfig, from a file and over https, with each thing that may be trusted and each credential; and what policy makes of a token alone. */
import assert from 'node:assert/strict'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createCertificateAuthority } from '../../src/dev-cluster/certificate-authority.ts'
import { DocumentServer } from '../harness/document-server.ts'
import { eventually } from '../harness/eventually.ts'
import { DEADLINE_MS, type JoiningNode } from '../harness/joining-node.ts'
import { TcpProxy } from '../harness/tcp-proxy.ts'
import { terminate, type Suite } from './behaviour-suite.ts'

const BOOTSTRAPPERS = ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token']
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const web = createCertificateAuthority({ commonName: 'web' })

interface KubeconfigFields {
  user?: Record<string, unknown>
  /** Beside the server. Default: the cluster's CA, embedded. */
  cluster?: Record<string, unknown>
}

function kubeconfigOf({ controlPlane }: Suite, fields: KubeconfigFields = {}): string {
  const { user, cluster = { 'certificate-authority-data': base64(controlPlane.caPem) } } = fields
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'join',
    clusters: [{ name: 'c', cluster: { server: `https://${controlPlane.endpoint}`, ...cluster } }],
    contexts: [{ name: 'join', context: { cluster: 'c', ...(user === undefined ? {} : { user: 'u' }) } }],
    users: user === undefined ? null : [{ name: 'u', user }],
  })
}

/** The node joins with `run --once`, by one request; who made it. */
async function joins(node: JoiningNode): Promise<string> {
  const { code, agent } = await node.runOnce()
  assert.equal(code, 0, agent.lines.join('\n'))
  assert.ok([200, 404].includes(await node.askForOwnNode()))
  return (await node.request()).spec.username ?? ''
}

export function discoveryBehaviours(suite: Suite): void {
  describe('by a token, where policy.require says pinned', () => {
    byPinnedToken(suite)
  })
  describe('by a kubeconfig in a file', () => {
    byFile(suite)
  })
  describe('by a kubeconfig over https', () => {
    byHttps(suite)
  })
}

function byPinnedToken(suite: Suite): void {
  it('asks nothing of anybody without a pin, joins with one, and by that knows its cluster when record and token are lost', async () => {
    await using proxy = await TcpProxy.start(suite.controlPlane.endpoint)
    const policy = { require: ['pinned'] }
    const pinless = { caCertHashes: undefined, unsafeSkipCAVerification: true }
    const node = await suite.node({
      overrides: { policy, discovery: { token: { endpoints: [proxy.endpoint], ...pinless } } },
    })
    const { code, agent } = await node.runOnce()
    assert.equal(code, 78)
    assert.ok(
      agent.lines.some((line) => line.includes('"code":"policy-violated"')),
      agent.lines.join('\n'),
    )
    assert.equal(proxy.connections, 0)
    await node.configure({ policy, discovery: { token: { endpoints: [proxy.endpoint] } } })
    await joins(node)
    assert.ok(proxy.bytesToUpstream > 0)

    await rm(`${node.files.state}/cluster.json`)
    await node.configure({ policy }, 'nobody.0123456789abcdef')
    await joins(node)
    assert.match(JSON.stringify((await node.status())?.cluster?.evidence), /accepts the certificate of this node/)
  })
}

function byFile(suite: Suite): void {
  const path = (): string => `${suite.directory}/cluster-info.yaml`
  const by = (file: Record<string, unknown>, more: Record<string, unknown> = {}): Record<string, unknown> => ({
    discovery: { token: undefined, file: { path: path(), ...file } },
    ...more,
  })

  it('joins with the token in it, whose line ends are CRLF, behind a BOM', async () => {
    const node = await suite.node({ overrides: by({}) })
    const user = { token: await suite.controlPlane.createToken() }
    const lines = JSON.stringify(JSON.parse(kubeconfigOf(suite, { user })), undefined, 1).split('\n')
    await writeFile(path(), `\ufeff${lines.join('\r\n')}\r\n`)
    assert.match(await joins(node), /^system:bootstrap:/)
  })

  it('joins with a client certificate that it names, and a CA that it names, relative to its own directory', async () => {
    const { certificate, key } = await suite.controlPlane.issueClientCertificate('joiner', BOOTSTRAPPERS)
    const node = await suite.node({ overrides: by({}) })
    await writeFile(`${suite.directory}/joiner.crt`, certificate)
    await writeFile(`${suite.directory}/joiner.key`, key, { mode: 0o600 })
    await writeFile(`${suite.directory}/cluster.crt`, suite.controlPlane.caPem)
    const user = { 'client-certificate': 'joiner.crt', 'client-key': 'joiner.key' }
    await writeFile(path(), kubeconfigOf(suite, { user, cluster: { 'certificate-authority': 'cluster.crt' } }))
    assert.equal(await joins(node), 'joiner')
  })

  it('joins without a CA in it where caFile has it, and with a bootstrap token that wins over its own', async () => {
    const token = await suite.controlPlane.createToken()
    const caFile = `${suite.directory}/ca.pem`
    await writeFile(caFile, suite.controlPlane.caPem)
    const node = await suite.node({ overrides: by({ caFile }, { bootstrap: { token } }) })
    await writeFile(path(), kubeconfigOf(suite, { user: { token: 'made-up' }, cluster: {} }))
    assert.equal(await joins(node), `system:bootstrap:${token.slice(0, 6)}`)
  })

  it('says at once that nothing authenticates the request', async () => {
    const node = await suite.node({ overrides: by({}) })
    await writeFile(path(), kubeconfigOf(suite))
    const { code, agent } = await node.runOnce()
    assert.equal(code, 78)
    assert.ok(
      agent.lines.some((line) => line.includes('"code":"credential-missing"')),
      agent.lines.join('\n'),
    )
    assert.deepEqual(await node.requests(), [])
  })

  it('joins as soon as the file is there, and its directory with it, and again as soon as a file that it names has changed', async () => {
    const directory = `${suite.directory}/later`
    const node = await suite.node({ overrides: by({ path: `${directory}/cluster-info.yaml` }) })
    const agent = node.start()
    await node.statusWhere(agent, 'nothing to read', ({ problem }) => problem?.code === 'kubeconfig-missing')
    await mkdir(directory)
    await writeFile(`${directory}/token`, 'made-up')
    await writeFile(`${directory}/cluster-info.yaml`, kubeconfigOf(suite, { user: { tokenFile: 'token' } }))
    await node.statusWhere(agent, 'refused', ({ problem }) => problem?.code === 'unauthorized')
    await writeFile(`${directory}/token`, await suite.controlPlane.createToken())
    await node.joined(agent)
    await terminate(agent)
  })
}

function byHttps(suite: Suite): void {
  const pair = web.issue({ ipAddresses: ['127.0.0.1'] })
  let server: DocumentServer

  beforeEach(async () => {
    server = await DocumentServer.start({
      certificate: pair.certificatePem + web.certificatePem,
      key: pair.privateKeyPem,
    })
    const user = { token: await suite.controlPlane.createToken() }
    server.documents.set('/cluster-info.yaml', kubeconfigOf(suite, { user }))
  })
  afterEach(() => server[Symbol.asyncDispose]())

  const by = (https: Record<string, unknown>): Record<string, unknown> => ({
    discovery: { token: undefined, https: { url: server.url('/cluster-info.yaml?secret=hunter2'), ...https } },
  })
  async function webBundle(): Promise<string> {
    const path = `${suite.directory}/web.pem`
    await writeFile(path, web.certificatePem)
    return path
  }

  it('joins where caFile vouches for the server, and asks for an unchanged document but once', async () => {
    const node = await suite.node({ overrides: by({ caFile: await webBundle() }) })
    assert.match(await joins(node), /^system:bootstrap:/)
    assert.equal((await node.runOnce()).code, 0)
    assert.deepEqual(
      server.requests.map(({ status }) => status),
      [200],
    )
  })

  it('joins where a pin does', async () => {
    const node = await suite.node({ overrides: by({ caCertHashes: [web.caCertHash] }) })
    await joins(node)
  })

  it('joins where the system’s roots do, and says that this was taken on faith', async () => {
    const node = await suite.node({ overrides: by({}) })
    node.environment['SSL_CERT_FILE'] = await webBundle()
    await joins(node)
    const { cluster } = (await node.status()) ?? {}
    assert.match(JSON.stringify(cluster), /system’s roots/)
    assert.doesNotMatch(JSON.stringify(await node.status()), /hunter2/)
  })

  it('joins a cluster whose CA is only in clusterCAFile', async () => {
    const clusterCAFile = `${suite.directory}/cluster.pem`
    await writeFile(clusterCAFile, suite.controlPlane.caPem)
    const user = { token: await suite.controlPlane.createToken() }
    server.documents.set('/cluster-info.yaml', kubeconfigOf(suite, { user, cluster: {} }))
    const node = await suite.node({ overrides: by({ caCertHashes: [web.caCertHash], clusterCAFile }) })
    await joins(node)
  })

  it('fetches the document again where the credential in it is refused, and joins with a new one', async () => {
    server.documents.set('/cluster-info.yaml', kubeconfigOf(suite, { user: { token: 'made-up' } }))
    const node = await suite.node({ overrides: by({ caCertHashes: [web.caCertHash] }) })
    const agent = node.start()
    await node.statusWhere(agent, 'refused', ({ problem }) => problem?.code === 'unauthorized')
    await eventually('the document is asked for again', { deadlineMs: DEADLINE_MS }, () => {
      const again = server.requests.find(({ status }) => status === 304)
      return Promise.resolve(again)
    })
    const user = { token: await suite.controlPlane.createToken() }
    server.documents.set('/cluster-info.yaml', kubeconfigOf(suite, { user }))
    await node.joined(agent)
    await terminate(agent)
    assert.doesNotMatch(agent.lines.join('\n'), /hunter2|made-up/)
  })

  it('needs neither server after a restart: what was verified is kept', async () => {
    const node = await suite.node({ overrides: by({ caCertHashes: [web.caCertHash] }) })
    await joins(node)
    await server[Symbol.asyncDispose]()
    const agent = node.start()
    await node.joined(agent)
    await terminate(agent)
    const record = await readFile(`${node.files.state}/cluster.json`, 'utf8')
    assert.match(record, /"document"/)
  })
}
