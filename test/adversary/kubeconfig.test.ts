/** The real agent against whoever hands out, redirects, rewrites or stands in front of the kubeconfig that it is to believe. */
import assert from 'node:assert/strict'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createCertificateAuthority } from '../../src/dev-cluster/certificate-authority.ts'
import type { ErrorCode } from '../../src/lib/error-codes.ts'
import { ConnectProxy } from '../harness/connect-proxy.ts'
import type { ControlPlane } from '../harness/control-plane.ts'
import { DocumentServer, type HandedOut } from '../harness/document-server.ts'
import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { assertRefused, createStage, secretsOf, type Stage } from './suite.ts'

const PATH = '/cluster-info.yaml'
/** A first look and what is tried again within an attempt of a second, each with all the redirects that are followed. */
const MOST_REQUESTS = 8 * 6
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const web = createCertificateAuthority({ commonName: 'web' })
const stranger = createCertificateAuthority({ commonName: 'web' })
const names = { ipAddresses: ['127.0.0.1'], dnsNames: ['config.test'] }

type Fields = Record<string, unknown>

describe('a kubeconfig from an attacker', function () {
  this.timeout(120_000)
  let controlPlane: ControlPlane
  before(async () => {
    controlPlane = await startEmbeddedControlPlane()
  })
  after(() => controlPlane.stop())

  function kubeconfig(cluster: Fields = {}, user: Fields = {}, more: Fields = {}): string {
    const entry = {
      server: `https://${controlPlane.endpoint}`,
      'certificate-authority-data': base64(controlPlane.caPem),
      ...cluster,
    }
    return JSON.stringify({ clusters: [{ name: '', cluster: entry }], users: [{ name: 'u', user }], ...more })
  }

  async function serve(issuer = web): Promise<DocumentServer> {
    const { certificatePem: certificate, privateKeyPem: key } = issuer.issue(names)
    return await DocumentServer.start({ certificate, key })
  }

  /** The node holds a bootstrap token that is worth having, and believes the https server of `web`. */
  async function victim(url: string): Promise<Stage> {
    const stage = await createStage(controlPlane)
    const caFile = join(stage.node.directory, 'web.pem')
    await writeFile(caFile, web.certificatePem)
    const discovery = { token: undefined, https: { url, caFile }, timeout: '1s' }
    await stage.node.configure({ discovery, bootstrap: { token: stage.token } })
    return stage
  }

  function assertServerGainedNothing({ requests }: DocumentServer, { token }: Stage): void {
    assert.ok(requests.length <= MOST_REQUESTS, `${requests.length} requests`)
    for (const { headers } of requests) {
      assert.equal(headers.authorization, undefined)
      for (const secret of secretsOf(token)) assert.ok(!JSON.stringify(headers).includes(secret))
    }
  }

  async function refuses(
    document: string | HandedOut,
    code: ErrorCode,
    more: Record<string, HandedOut> = {},
  ): Promise<void> {
    await using server = await serve()
    server.documents.set(PATH, document)
    for (const [path, answer] of Object.entries(more)) server.documents.set(path, answer)
    await using stage = await victim(server.url(PATH))
    await assertRefused(stage, code)
    assertServerGainedNothing(server, stage)
  }

  const bomb = ['a0: &a0 [x,x,x,x,x,x,x,x,x,x]']
    .concat(
      Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array<string>(10).fill(`*a${i}`).join(',')}]`),
    )
    .join('\n')
  const hostile: readonly [name: string, document: () => string | HandedOut, code?: ErrorCode][] = [
    ['that turns the verification of TLS off', () => kubeconfig({ 'insecure-skip-tls-verify': true })],
    ['that names a proxy', () => kubeconfig({ 'proxy-url': 'http://127.0.0.1:1' })],
    ['that has another name verified', () => kubeconfig({ 'tls-server-name': 'localhost' })],
    ['whose CA is a path', () => kubeconfig({ 'certificate-authority': '../../etc/shadow' })],
    ['whose token is a path', () => kubeconfig({}, { tokenFile: '../../etc/shadow' })],
    ['whose key is a path', () => kubeconfig({}, { 'client-certificate': '/etc/passwd', 'client-key': '/etc/shadow' })],
    ['that runs a program', () => kubeconfig({}, { exec: { command: '/bin/sh' } })],
    ['that has an auth provider', () => kubeconfig({}, { 'auth-provider': { name: 'gcp' } })],
    ['whose server is not https', () => kubeconfig({ server: 'http://127.0.0.1:1' })],
    ['whose aliases explode', () => bomb],
    ['that has a key twice', () => 'clusters: []\nclusters: []\n'],
    ['of two documents', () => `${kubeconfig()}\n---\n${kubeconfig()}`],
    ['of NUL bytes', () => '\0'.repeat(1000)],
    ['of 100 MB', () => ({ body: Buffer.alloc(100 * 1024 * 1024, ' ') }), 'body-too-large'],
    [
      'whose CA is somebody else’s',
      () => kubeconfig({ 'certificate-authority-data': base64(stranger.certificatePem) }),
      'server-untrusted',
    ],
  ]
  for (const [name, document, code = 'kubeconfig-malformed'] of hostile)
    it(`${name} is refused over https`, () => refuses(document(), code))

  const inFile = hostile.filter(([name]) => !/path|100 MB|somebody else/.test(name))
  for (const [name, document, code = 'kubeconfig-malformed'] of inFile)
    it(`${name} is refused in a file`, async () => {
      await using stage = await createStage(controlPlane)
      const path = join(stage.node.directory, 'cluster-info.yaml')
      const text = document()
      assert(typeof text === 'string')
      await writeFile(path, text)
      await stage.node.configure({ discovery: { token: undefined, file: { path } }, bootstrap: { token: stage.token } })
      await assertRefused(stage, code)
    })

  it('of more than any memory holds is refused in a file by its size, unread', async () => {
    await using stage = await createStage(controlPlane)
    const path = join(stage.node.directory, 'cluster-info.yaml')
    await writeFile(path, kubeconfig())
    // Sparse: it takes no room on the disk.
    await truncate(path, 1024 ** 4)
    await stage.node.configure({
      discovery: { token: undefined, file: { path }, timeout: '1s' },
      bootstrap: { token: stage.token },
    })
    await assertRefused(stage, 'storage-malformed')
  })

  it('is read as it is meant with CRLF at its line ends and a BOM', async () => {
    await using server = await serve()
    server.documents.set(
      PATH,
      `\ufeff${JSON.stringify(JSON.parse(kubeconfig()), undefined, 1).replaceAll('\n', '\r\n')}`,
    )
    await using stage = await victim(server.url(PATH))
    const { code, agent } = await stage.node.runOnce()
    assert.equal(code, 0, agent.lines.join('\n'))
    assertServerGainedNothing(server, stage)
  })

  describe('who redirects', () => {
    const to = (location: string): HandedOut => ({ status: 302, headers: { location } })

    it('to http is not followed', () => refuses(to('http://127.0.0.1:1/'), 'redirect-refused'))
    it('in a loop is left after the sixth answer', () =>
      refuses(to('/a'), 'redirect-refused', { '/a': to('/b'), '/b': to('/a') }))
    it('to a host that does not verify is not asked there', async () => {
      await using other = await serve(stranger)
      other.documents.set(PATH, kubeconfig())
      await refuses(to(other.url(PATH)), 'server-untrusted')
      assert.deepEqual(other.requests, [])
    })
  })

  it('who cannot show a certificate of caFile is asked nothing', async () => {
    await using server = await serve(stranger)
    server.documents.set(PATH, kubeconfig())
    await using stage = await victim(server.url(PATH))
    await assertRefused(stage, 'server-untrusted')
    assert.deepEqual(server.requests, [])
  })

  describe('who is the proxy on the way', () => {
    const lies: readonly [name: string, bytes: string, code: ErrorCode][] = [
      ['refuses', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}', 'proxy-refused'],
      [
        'redirects',
        'HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n',
        'proxy-refused',
      ],
      ['wants a password', 'HTTP/1.1 407 Authenticate\r\nContent-Length: 0\r\n\r\n', 'proxy-authentication-required'],
      ['answers itself', 'HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\nclusters: []', 'proxy-refused'],
    ]
    for (const [name, bytes, code] of lies)
      it(`and ${name} is not believed`, async () => {
        await using proxy = await ConnectProxy.start()
        proxy.answer = () => bytes
        await using server = await serve()
        await using stage = await victim(server.url(PATH, 'config.test'))
        stage.node.environment['HTTPS_PROXY'] = proxy.url
        await assertRefused(stage, code)
        assert.ok(proxy.connects.length <= MOST_REQUESTS, `${proxy.connects.length} connects`)
        for (const { headers } of proxy.connects) assert.equal(headers.authorization, undefined)
        assert.deepEqual(server.requests, [])
      })

    it('and leads to a server of its own is not believed', async () => {
      await using proxy = await ConnectProxy.start()
      await using liar = await serve(stranger)
      liar.documents.set(PATH, kubeconfig())
      proxy.route = () => `127.0.0.1:${liar.port}`
      await using server = await serve()
      await using stage = await victim(server.url(PATH, 'config.test'))
      stage.node.environment['HTTPS_PROXY'] = proxy.url
      await assertRefused(stage, 'server-untrusted')
      assert.deepEqual(liar.requests, [])
    })
  })
})
