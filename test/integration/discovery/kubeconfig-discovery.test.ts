/** Discovery by file and by HTTPS against an embedded control plane and real https servers; some of them belong to an attacker. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { systemClock } from '../../../src/adapters/clock.ts'
import { nodeFiles } from '../../../src/adapters/files.ts'
import { GotHttp } from '../../../src/adapters/http.ts'
import {
  createCertificateAuthority,
  type CertificateAuthority,
  type CertificateOptions,
} from '../../../src/dev-cluster/certificate-authority.ts'
import { startDevCluster, type DevCluster } from '../../../src/dev-cluster/dev-cluster.ts'
import type { RecordedRequest } from '../../../src/dev-cluster/tls-server.ts'
import type { Discovered, KubeconfigDocument } from '../../../src/discovery/discovered.ts'
import { discoverByFile, readKubeconfigFile } from '../../../src/discovery/file-discovery.ts'
import { discoverByHttps, type HttpsDiscoveryInput } from '../../../src/discovery/https-discovery.ts'
import { credentialOf, filesNamedBy, readKubeconfig } from '../../../src/discovery/kubeconfig-material.ts'
import { ApiClient, type Credential } from '../../../src/kube/api-request.ts'
import type { BootstrapError } from '../../../src/lib/errors.ts'
import { parseCertificates, publicKeyPin, type Certificate } from '../../../src/pki/certificate.ts'
import { ConnectProxy } from '../../harness/connect-proxy.ts'
import { DocumentServer } from '../../harness/document-server.ts'
import { useTemporaryDirectory } from '../../harness/temporary-directory.ts'
import { bootstrapErrorOf } from '../../harness/thrown.ts'

const LOOPBACK: CertificateOptions = { ipAddresses: ['127.0.0.1'], dnsNames: ['config.test'] }
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const never = new AbortController().signal

describe('discovery by a kubeconfig', () => {
  const directory = useTemporaryDirectory()
  let http: GotHttp
  let cluster: DevCluster
  let seenBefore: number
  const others: AsyncDisposable[] = []

  before(async () => {
    cluster = await startDevCluster()
  })
  after(() => cluster.stop())
  beforeEach(() => {
    http = new GotHttp()
    seenBefore = cluster.requests.length
  })
  afterEach(async () => {
    http.close()
    for (const other of others.splice(0)) await other[Symbol.asyncDispose]()
    assert(
      cluster.requests.every(
        ({ hasAuthorization, hasClientCertificate }) => !hasAuthorization && !hasClientCertificate,
      ),
    )
  })

  /** What the cluster was asked in this test. */
  const asked = (): readonly RecordedRequest[] => cluster.requests.slice(seenBefore)
  const client = (): ApiClient => new ApiClient(http, systemClock, 'test')
  const bundle = (authority: { certificatePem: string }): readonly Certificate[] =>
    parseCertificates(authority.certificatePem)
  const clusterBundle = (): readonly Certificate[] => parseCertificates(cluster.caPem)
  const stranger = createCertificateAuthority({ commonName: 'stranger' })

  /** Fields of the cluster entry replace the good ones; undefined removes one. */
  function kubeconfig(fields: Record<string, unknown> = {}, user?: Record<string, unknown>): string {
    const entry = {
      server: `https://${cluster.endpoint}`,
      'certificate-authority-data': base64(cluster.caPem),
      ...fields,
    }
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: '', cluster: entry }],
      ...(user === undefined ? {} : { users: [{ name: 'u', user }] }),
    })
  }

  describe('in a file', () => {
    async function write(text: string): Promise<string> {
      const path = directory.join('cluster-info.yaml')
      await writeFile(path, text)
      return path
    }
    const discover = async (text: string, knownAuthorities?: readonly Certificate[]): Promise<Discovered> =>
      discoverByFile(nodeFiles, client(), { path: await write(text), knownAuthorities }, never)
    const failure = (...args: Parameters<typeof discover>): Promise<BootstrapError> =>
      bootstrapErrorOf(discover(...args))

    it('is proven by one verified request, and says whose word it is', async () => {
      const { cluster: found, evidence } = await discover(kubeconfig())
      assert.equal(found.server.host, cluster.endpoint)
      assert.deepEqual([evidence.method, evidence.source], ['file', directory.join('cluster-info.yaml')])
      assert.deepEqual(
        asked().map(({ method, path }) => `${method} ${path}`),
        ['GET /version'],
      )
    })

    it('is proven by a refusal as well, as long as an API server gives it', async () => {
      const closed = await startDevCluster({ anonymousAccess: false })
      others.push({ [Symbol.asyncDispose]: () => closed.stop() })
      const text = kubeconfig({
        server: `https://${closed.endpoint}`,
        'certificate-authority-data': base64(closed.caPem),
      })
      assert.equal((await discover(text)).cluster.server.host, closed.endpoint)
    })

    it('is not proven by what is no API server, though its certificate is of the CA', async () => {
      cluster.respond = () => ({ status: 404, headers: { 'content-type': 'text/html' }, body: '<html>' })
      try {
        assert.equal((await failure(kubeconfig())).code, 'not-kubernetes')
      } finally {
        cluster.respond = undefined
      }
    })

    it('is not proven by a server of another CA', async () => {
      const text = kubeconfig({ 'certificate-authority-data': base64(stranger.certificatePem) })
      assert.equal((await failure(text)).code, 'server-untrusted')
    })

    it('takes the CA from a path that is relative to the file’s own directory', async () => {
      await mkdir(directory.join('pki'))
      await writeFile(directory.join('pki', 'ca.crt'), cluster.caPem)
      const text = kubeconfig({ 'certificate-authority-data': undefined, 'certificate-authority': 'pki/ca.crt' })
      assert.deepEqual((await discover(text)).cluster.authorities, clusterBundle())
    })

    it('says which file it names that is not there', async () => {
      const text = kubeconfig({ 'certificate-authority-data': undefined, 'certificate-authority': 'no.crt' })
      const error = await failure(text)
      assert.equal(error.code, 'credential-unreadable')
      assert.match(error.message, new RegExp(directory.join('no.crt')))
    })

    it('does without a CA where one came out of band, and refuses any other', async () => {
      const without = kubeconfig({ 'certificate-authority-data': undefined })
      assert.equal((await failure(without)).code, 'ca-missing')
      assert.deepEqual((await discover(without, clusterBundle())).cluster.authorities, clusterBundle())
      assert.deepEqual((await discover(kubeconfig(), clusterBundle())).evidence.verified[0], 'its CA is in caFile')
      assert.equal((await failure(kubeconfig(), bundle(stranger))).code, 'ca-not-trusted')
    })

    it('refuses a bundle of the known CA and another', async () => {
      const both = kubeconfig({ 'certificate-authority-data': base64(cluster.caPem + stranger.certificatePem) })
      assert.equal((await failure(both, clusterBundle())).code, 'ca-not-trusted')
    })

    it('says that it is not there', async () => {
      const input = { path: directory.join('absent'), knownAuthorities: undefined }
      assert.equal(
        (await bootstrapErrorOf(discoverByFile(nodeFiles, client(), input, never))).code,
        'kubeconfig-missing',
      )
    })

    it('says what is wrong with it', async () => {
      const error = await failure(kubeconfig({ 'insecure-skip-tls-verify': true }))
      assert.equal(error.code, 'kubeconfig-malformed')
      assert.match(error.message, /cluster-info.yaml sets insecure-skip-tls-verify/)
    })

    describe('carries a credential', () => {
      const identity = createCertificateAuthority().issue({ commonName: 'bootstrapper' })
      const { certificatePem, privateKeyPem } = identity

      async function credential(user: Record<string, unknown>): Promise<Credential> {
        const source = await readKubeconfigFile(nodeFiles, await write(kubeconfig({}, user)))
        const found = readKubeconfig(source).user
        assert(found !== undefined)
        return credentialOf(nodeFiles, source, found)
      }
      const revealed = async (user: Record<string, unknown>): Promise<string | undefined> => {
        const found = await credential(user)
        return found.kind === 'token' ? found.token.reveal() : undefined
      }
      const isPair = async (user: Record<string, unknown>): Promise<void> => {
        const found = await credential(user)
        assert(found.kind === 'certificate')
        assert.equal(found.identity.certificateChain, certificatePem)
      }

      it('as a token', async () => {
        assert.equal(await revealed({ token: 'abcdef.0123456789abcdef' }), 'abcdef.0123456789abcdef')
      })

      it('as a token in a file, trimmed, which wins over one that is embedded', async () => {
        await writeFile(directory.join('token'), ' made-up-token\n')
        assert.equal(await revealed({ tokenFile: 'token' }), 'made-up-token')
        assert.equal(await revealed({ tokenFile: 'token', token: 'other' }), 'made-up-token')
      })

      it('as a client certificate and its key, embedded or by path', async () => {
        await writeFile(directory.join('c.crt'), certificatePem)
        await writeFile(directory.join('c.key'), privateKeyPem)
        const data = { 'client-certificate-data': base64(certificatePem), 'client-key-data': base64(privateKeyPem) }
        await isPair(data)
        await isPair({ 'client-certificate': 'c.crt', 'client-key': directory.join('c.key') })
        // What is embedded wins, as client-go has it.
        await isPair({ ...data, 'client-certificate': 'absent', 'client-key': 'absent' })
      })

      const unusable: readonly [name: string, user: Record<string, unknown>, code: string][] = [
        ['a token with a line break in it', { token: 'a\nhunter2: b' }, 'credential-malformed'],
        ['a token in a file that is not there', { tokenFile: 'absent' }, 'credential-unreadable'],
        [
          'a key of another certificate',
          {
            'client-certificate-data': base64(certificatePem),
            'client-key-data': base64(createCertificateAuthority().privateKeyPem),
          },
          'credential-malformed',
        ],
        [
          'a key that is none',
          { 'client-certificate-data': base64(certificatePem), 'client-key-data': base64('hunter2') },
          'credential-malformed',
        ],
        [
          'a certificate that is none',
          { 'client-certificate-data': base64('hunter2'), 'client-key-data': base64(privateKeyPem) },
          'credential-malformed',
        ],
        [
          'data that is no base64',
          { 'client-certificate-data': 'hunter2!', 'client-key-data': base64(privateKeyPem) },
          'credential-malformed',
        ],
      ]
      for (const [name, user, code] of unusable)
        it(`but not ${name}`, async () => {
          const error = await bootstrapErrorOf(credential(user))
          assert.equal(error.code, code)
          assert.doesNotMatch(`${error.message} ${error.hint}`, /hunter2/)
        })

      it('whose files are told, so that they can be watched', async () => {
        const user = { 'client-certificate': 'c.crt', 'client-key': '/etc/c.key' }
        const text = kubeconfig({ 'certificate-authority-data': undefined, 'certificate-authority': '../ca.crt' }, user)
        const source = await readKubeconfigFile(nodeFiles, await write(text))
        assert.deepEqual(filesNamedBy(source, readKubeconfig(source)), [
          directory.join('..', 'ca.crt'),
          directory.join('c.crt'),
          '/etc/c.key',
        ])
      })
    })
  })

  describe('over https', () => {
    const authority = createCertificateAuthority({ commonName: 'web' })

    async function serve(issuer: CertificateAuthority = authority, options = LOOPBACK): Promise<DocumentServer> {
      const { certificatePem: certificate, privateKeyPem: key } = issuer.issue(options)
      const server = await DocumentServer.start({ certificate, key })
      server.documents.set('/cluster-info.yaml', kubeconfig())
      others.push(server)
      return server
    }
    type Found = Discovered & { document: KubeconfigDocument }
    function discover(
      url: string,
      input: Partial<HttpsDiscoveryInput> = { serverAuthorities: bundle(authority) },
      certificateFile?: string,
    ): Promise<Found> {
      return discoverByHttps(
        { files: nodeFiles, http, client: client(), certificateFile },
        {
          url: new URL(url),
          caCertHashes: [],
          serverAuthorities: undefined,
          clusterAuthorities: undefined,
          known: undefined,
          ...input,
        },
        never,
      )
    }
    const failure = (...args: Parameters<typeof discover>): Promise<BootstrapError> =>
      bootstrapErrorOf(discover(...args))
    const pinOf = ({ caCertHash }: { caCertHash: string }): string => caCertHash.replace('sha256:', '')

    it('believes a server of caFile, and proves the cluster that it names', async () => {
      const server = await serve()
      const { cluster: found, evidence, document } = await discover(server.url('/cluster-info.yaml'))
      assert.equal(found.server.host, cluster.endpoint)
      assert.equal(evidence.method, 'https')
      assert.match(evidence.verified[0] ?? '', /caFile/)
      assert.equal(document.text, kubeconfig())
      assert.deepEqual(
        asked().map(({ path }) => path),
        ['/version'],
      )
    })

    it('believes a server that the system’s roots vouch for, and says so', async () => {
      const server = await serve()
      const roots = directory.join('roots.pem')
      await writeFile(roots, `# comment\n${stranger.certificatePem}${authority.certificatePem}`)
      const { evidence } = await discover(server.url('/cluster-info.yaml'), {}, roots)
      assert.match(evidence.verified.join(), /system’s roots/)
      await writeFile(roots, stranger.certificatePem)
      const error = await failure(server.url('/cluster-info.yaml'), {}, roots)
      assert.equal(error.code, 'server-untrusted')
      assert.match(error.hint, /discovery\.https\.caFile/)
      assert.deepEqual(server.requests.length, 1)
    })

    it('says that this machine has no roots', async () => {
      const server = await serve()
      const error = await failure(server.url('/cluster-info.yaml'), {}, directory.join('absent'))
      assert.equal(error.code, 'system-roots-missing')
    })

    describe('with pins', () => {
      const leafPin = (issuer: CertificateAuthority, options: CertificateOptions): [DocumentServerParts, string] => {
        const { certificatePem: certificate, privateKeyPem: key } = issuer.issue(options)
        const [leaf] = parseCertificates(certificate)
        return [{ certificate, key }, publicKeyPin(leaf)]
      }
      interface DocumentServerParts {
        certificate: string
        key: string
      }

      async function start(parts: DocumentServerParts): Promise<DocumentServer> {
        const server = await DocumentServer.start(parts)
        server.documents.set('/cluster-info.yaml', kubeconfig())
        others.push(server)
        return server
      }

      it('believes a server whose own key is pinned', async () => {
        const [parts, pin] = leafPin(authority, LOOPBACK)
        const server = await start(parts)
        const { evidence } = await discover(server.url('/cluster-info.yaml'), { caCertHashes: [pin] })
        assert.match(evidence.verified.join(), /public key is pinned/)
      })

      it('believes a server that presents a pinned CA, and only one that it has signed', async () => {
        const { certificatePem, privateKeyPem: key } = authority.issue(LOOPBACK)
        const honest = await start({ certificate: certificatePem + authority.certificatePem, key })
        const pins = { caCertHashes: [pinOf(authority)] }
        assert.equal((await discover(honest.url('/cluster-info.yaml'), pins)).document.text, kubeconfig())

        // Anybody can show the pinned certificate beside one of their own.
        const forged = createCertificateAuthority({ commonName: 'web' }).issue(LOOPBACK)
        const liar = await start({
          certificate: forged.certificatePem + authority.certificatePem,
          key: forged.privateKeyPem,
        })
        assert.equal((await failure(liar.url('/cluster-info.yaml'), pins)).code, 'server-untrusted')
        assert.equal(liar.requests.length, 0)
      })

      it('believes a server whose root, which it does not send, is pinned and the system’s', async () => {
        const server = await serve()
        const roots = directory.join('roots.pem')
        await writeFile(roots, stranger.certificatePem + authority.certificatePem)
        const pins = { caCertHashes: [pinOf(authority)] }
        assert.equal((await discover(server.url('/cluster-info.yaml'), pins, roots)).document.text, kubeconfig())
        assert.equal(
          (await failure(server.url('/cluster-info.yaml'), pins, directory.join('absent'))).code,
          'pin-mismatch',
        )
      })

      it('narrows caFile to what is pinned', async () => {
        const server = await serve()
        const serverAuthorities = parseCertificates(authority.certificatePem + stranger.certificatePem)
        const url = server.url('/cluster-info.yaml')
        await discover(url, { serverAuthorities, caCertHashes: [pinOf(authority)] })
        assert.equal(
          (await failure(url, { serverAuthorities, caCertHashes: [pinOf(stranger)] })).code,
          'server-untrusted',
        )
        assert.equal((await failure(url, { serverAuthorities, caCertHashes: ['0'.repeat(64)] })).code, 'pin-mismatch')
      })

      it('still looks at the name and the time', async () => {
        const [parts, pin] = leafPin(authority, { dnsNames: ['other.test'] })
        const misnamed = await start(parts)
        const url = misnamed.url('/cluster-info.yaml')
        assert.equal((await failure(url, { caCertHashes: [pin] })).code, 'server-name-mismatch')
        const [old, oldPin] = leafPin(authority, { ...LOOPBACK, notAfterMs: Date.now() - 60_000 })
        const expired = await start(old)
        assert.equal(
          (await failure(expired.url('/cluster-info.yaml'), { caCertHashes: [oldPin] })).code,
          'server-certificate-expired',
        )
      })

      it('shows what the server’s certificates hash to, and sends nothing', async () => {
        const [parts, pin] = leafPin(authority, LOOPBACK)
        const server = await start(parts)
        const url = server.url('/cluster-info.yaml')
        const error = await failure(url, { caCertHashes: ['0'.repeat(64)] }, directory.join('absent'))
        assert.equal(error.code, 'pin-mismatch')
        assert.match(error.message, new RegExp(pin))
        assert.equal(server.requests.length, 0)
      })
    })

    it('keeps the CA of the https server and that of the cluster apart', async () => {
      const server = await serve()
      const url = server.url('/cluster-info.yaml')
      const serverAuthorities = bundle(authority)
      await discover(url, { serverAuthorities, clusterAuthorities: clusterBundle() })
      const error = await failure(url, { serverAuthorities, clusterAuthorities: bundle(stranger) })
      assert.equal(error.code, 'ca-not-trusted')
    })

    it('takes the cluster’s CA from clusterCAFile, else from caFile, where the kubeconfig has none', async () => {
      const server = await serve()
      server.documents.set('/cluster-info.yaml', kubeconfig({ 'certificate-authority-data': undefined }))
      const url = server.url('/cluster-info.yaml')
      const both = parseCertificates(authority.certificatePem + cluster.caPem)
      assert.deepEqual((await discover(url, { serverAuthorities: both })).cluster.authorities, both)
      const { cluster: found } = await discover(url, {
        serverAuthorities: bundle(authority),
        clusterAuthorities: clusterBundle(),
      })
      assert.deepEqual(found.authorities, clusterBundle())
      const roots = directory.join('roots.pem')
      await writeFile(roots, authority.certificatePem)
      assert.equal((await failure(url, {}, roots)).code, 'ca-missing')
    })

    it('asks for a document that it knows only whether it has changed', async () => {
      const server = await serve()
      const url = server.url('/cluster-info.yaml')
      const { document } = await discover(url)
      const again = await discover(url, { serverAuthorities: bundle(authority), known: document })
      assert.deepEqual(again.document, document)
      server.documents.set('/cluster-info.yaml', `${kubeconfig()}\n`)
      const changed = await discover(url, { serverAuthorities: bundle(authority), known: document })
      assert.notEqual(changed.document.etag, document.etag)
      assert.deepEqual(
        server.requests.map(({ status }) => status),
        [200, 304, 200],
      )
    })

    it('does not ask one address whether the document of another has changed', async () => {
      const server = await serve()
      const known = { url: server.url('/other.yaml'), text: 'x', etag: '"x"', lastModified: undefined }
      await discover(server.url('/cluster-info.yaml'), { serverAuthorities: bundle(authority), known })
      assert.equal(server.requests[0]?.headers['if-none-match'], undefined)
    })

    it('takes a 304 that was not asked for as a refusal', async () => {
      const server = await serve()
      server.documents.set('/cluster-info.yaml', { status: 304 })
      assert.equal((await failure(server.url('/cluster-info.yaml'))).code, 'kubeconfig-unavailable')
    })

    describe('and a redirect', () => {
      const to = (location: string, status = 302) => ({ status, headers: { location } })

      it('follows one to another path, and to another server that it verifies too', async () => {
        const [server, other] = [await serve(), await serve()]
        server.documents.set('/a', to('/b', 308))
        server.documents.set('/b', to(other.url('/cluster-info.yaml')))
        const { document, evidence } = await discover(server.url('/a?secret=hunter2'))
        assert.equal(document.url, other.url('/cluster-info.yaml'))
        assert.equal(evidence.source, other.url('/cluster-info.yaml'))
      })

      it('does not follow one to a server that it cannot verify', async () => {
        const [server, other] = [await serve(), await serve(stranger)]
        server.documents.set('/a', to(other.url('/cluster-info.yaml')))
        assert.equal((await failure(server.url('/a'))).code, 'server-untrusted')
        assert.equal(other.requests.length, 0)
      })

      const refused: readonly [name: string, location: string][] = [
        ['to http', 'http://127.0.0.1:1/'],
        ['to a file', 'file:///etc/shadow'],
        ['with a password', 'https://u:p@127.0.0.1:1/'],
        ['to no address', 'https://'],
      ]
      for (const [name, location] of refused)
        it(`does not follow one ${name}`, async () => {
          const server = await serve()
          server.documents.set('/a', to(location))
          const error = await failure(server.url('/a?secret=hunter2'))
          assert.equal(error.code, 'redirect-refused')
          assert.doesNotMatch(error.message, /hunter2|u:p/)
          const [origin = ''] = /^(https?:..127[^/]*)/.exec(location.replace('u:p@', '')) ?? []
          assert.ok(error.message.includes(`a redirect to ${origin}`) || !location.includes('127'), error.message)
          assert.equal(server.requests.length, 1)
        })

      it('does not follow one without an address', async () => {
        const server = await serve()
        server.documents.set('/a', { status: 301 })
        assert.equal((await failure(server.url('/a'))).code, 'redirect-refused')
      })

      it('gives up on a loop after the sixth answer', async () => {
        const server = await serve()
        server.documents.set('/a', to('/a'))
        assert.equal((await failure(server.url('/a'))).code, 'redirect-refused')
        assert.equal(server.requests.length, 6)
      })
    })

    const answers: readonly [name: string, answer: Parameters<Map<string, object>['set']>[1], code: string][] = [
      ['404', { status: 404 }, 'kubeconfig-unavailable'],
      ['401', { status: 401 }, 'kubeconfig-unavailable'],
      ['204', { status: 204 }, 'kubeconfig-unavailable'],
      ['429', { status: 429, headers: { 'retry-after': '7' } }, 'throttled'],
      ['503', { status: 503, headers: { 'retry-after': '7' } }, 'server-failed'],
      ['more than a MiB', { body: Buffer.alloc(1024 * 1024 + 1, ' ') }, 'body-too-large'],
      ['bytes that are no text', { body: Buffer.from([0xff, 0xfe]) }, 'kubeconfig-malformed'],
      ['a web page', { body: '<html></html>' }, 'kubeconfig-malformed'],
      ['nothing', { body: '' }, 'kubeconfig-malformed'],
    ]
    for (const [name, answer, code] of answers)
      it(`takes ${name} for ${code}`, async () => {
        const server = await serve()
        server.documents.set('/cluster-info.yaml', answer)
        const error = await failure(server.url('/cluster-info.yaml'))
        assert.equal(error.code, code)
        assert.equal(error.retryAfterMs, ['429', '503'].includes(name) ? 7000 : undefined)
        assert.doesNotMatch(error.hint, /API server/)
      })

    for (const [field, value] of [
      ['certificate-authority', '../../etc/shadow'],
      ['proxy-url', 'http://127.0.0.1:1'],
      ['tls-server-name', 'other'],
      ['insecure-skip-tls-verify', true],
    ] as const)
      it(`refuses a document that sets ${field}`, async () => {
        const server = await serve()
        server.documents.set('/cluster-info.yaml', kubeconfig({ [field]: value }))
        assert.equal((await failure(server.url('/cluster-info.yaml'))).code, 'kubeconfig-malformed')
        assert.equal(asked().length, 0)
      })

    for (const user of [
      { tokenFile: '../../etc/shadow' },
      { 'client-certificate': '/a', 'client-key': '/b' },
      { exec: { command: 'true' } },
      { 'auth-provider': { name: 'gcp' } },
      { username: 'u', password: 'p' },
      { as: 'admin', token: 't' },
    ])
      it(`refuses a document whose user has ${Object.keys(user).join(' and ')}`, async () => {
        const server = await serve()
        server.documents.set('/cluster-info.yaml', kubeconfig({}, user))
        assert.equal((await failure(server.url('/cluster-info.yaml'))).code, 'kubeconfig-malformed')
      })

    it('reaches the server and the cluster through a proxy', async () => {
      const proxy = await ConnectProxy.start()
      others.push(proxy)
      http = new GotHttp({ HTTPS_PROXY: proxy.url, NO_PROXY: '10.0.0.0/8' })
      const server = await serve()
      const url = server.url('/cluster-info.yaml', 'config.test')
      await discover(url)
      const [leaf] = parseCertificates(authority.certificatePem)
      const { certificatePem, privateKeyPem: key } = authority.issue(LOOPBACK)
      const presenting = await DocumentServer.start({ certificate: certificatePem + authority.certificatePem, key })
      others.push(presenting)
      presenting.documents.set('/cluster-info.yaml', kubeconfig())
      const pinned = presenting.url('/cluster-info.yaml', 'config.test')
      await discover(pinned, { caCertHashes: [publicKeyPin(leaf)] })
      assert.deepEqual(
        [...new Set(proxy.connects.map(({ target }) => target))],
        [`config.test:${server.port}`, `config.test:${presenting.port}`],
      )
    })
  })
})
