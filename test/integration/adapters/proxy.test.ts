/** The http port behind a forward proxy on loopback: what goes through it, and that its own words are never taken for a server's. */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { GotHttp } from '../../../src/adapters/http.ts'
import { createCertificateAuthority, type CertificateOptions } from '../../../src/dev-cluster/certificate-authority.ts'
import type { BootstrapError } from '../../../src/lib/errors.ts'
import type { HttpRequest } from '../../../src/lib/ports.ts'
import { ConnectProxy } from '../../harness/connect-proxy.ts'
import { DocumentServer } from '../../harness/document-server.ts'
import { freePorts } from '../../harness/free-ports.ts'
import { useTemporaryDirectory } from '../../harness/temporary-directory.ts'
import { bootstrapErrorOf } from '../../harness/thrown.ts'

const authority = createCertificateAuthority()

describe('the http port behind a proxy', () => {
  let proxy: ConnectProxy
  let server: DocumentServer
  let http: GotHttp

  async function start(options: CertificateOptions): Promise<void> {
    const { certificatePem: certificate, privateKeyPem: key } = authority.issue(options)
    server = await DocumentServer.start({ certificate, key })
    server.documents.set('/', 'hello')
  }
  beforeEach(async () => {
    proxy = await ConnectProxy.start()
    http = new GotHttp({ HTTPS_PROXY: proxy.url.replace('http://', 'http://me:hunter2@') })
  })
  afterEach(async () => {
    http.close()
    await proxy[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  const request = (host: string): HttpRequest => ({
    method: 'GET',
    url: new URL(server.url('/', host)),
    trust: { roots: [authority.certificatePem] },
    headers: { authorization: 'Bearer made-up' },
    timeoutMs: 20_000,
    maxBodyBytes: 1000,
    signal: new AbortController().signal,
  })
  async function failure(host: string): Promise<BootstrapError> {
    const error = await bootstrapErrorOf(http.request(request(host)))
    assert.doesNotMatch(`${error.message} ${error.hint} ${error.stack ?? ''}`, /hunter2|made-up/)
    return error
  }

  it('asks through it, and shows the credential to the server alone', async () => {
    await start({ dnsNames: ['api.test'] })
    const { body } = await http.request(request('api.test'))
    assert.equal(Buffer.from(body).toString(), 'hello')
    assert.deepEqual(
      proxy.connects.map(({ target }) => target),
      [`api.test:${server.port}`],
    )
    assert.equal(proxy.connects[0]?.headers.authorization, undefined)
    assert.equal(server.requests[0]?.headers.authorization, 'Bearer made-up')
    assert.equal(server.requests[0].headers['proxy-authorization'], undefined)
  })

  it('verifies the name of the server behind it, an address as an address', async () => {
    await start({ dnsNames: ['localhost', 'other.test'] })
    assert.equal((await failure('api.test')).code, 'server-name-mismatch')
    assert.equal((await failure('192.0.2.1')).code, 'server-name-mismatch')
    assert.deepEqual(server.requests, [])
  })

  it('accepts an address in the subjectAltName of the server behind it', async () => {
    await start({ ipAddresses: ['192.0.2.1'] })
    assert.equal((await http.request(request('192.0.2.1'))).status, 200)
  })

  for (const [name, answer, code = 'proxy-refused'] of [
    ['refuses with a body of its own', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}'],
    [
      'wants a password',
      'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n',
      'proxy-authentication-required',
    ],
    ['answers 201 as if it were the server', 'HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}'],
    ['redirects', 'HTTP/1.1 302 Found\r\nLocation: https://other.test/\r\nContent-Length: 0\r\n\r\n'],
  ] as const)
    it(`says that the proxy is in the way where it ${name}`, async () => {
      await start({ dnsNames: ['api.test'] })
      proxy.answer = () => answer
      const error = await failure('api.test')
      assert.equal(error.code, code)
      assert.match(error.message, new RegExp(`api\\.test:\\d+, through the proxy 127.*${answer.slice(9, 12)}`))
      assert.deepEqual(server.requests, [])
    })

  it('says by which schemes a proxy wants a password, and shows the first question’s alone', async () => {
    await start({ dnsNames: ['api.test'] })
    proxy.answer = () =>
      'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="a, Digest b"\r\nProxy-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n'
    const error = await failure('api.test')
    assert.match(error.message, /\(it answered 407\): it asks for Basic or Negotiate$/)
    assert.deepEqual(
      proxy.connects.map(({ headers }) => headers['proxy-authorization'] !== undefined),
      [true, false],
    )
  })

  it('does not believe a proxy that says it has connected and answers itself', async () => {
    await start({ dnsNames: ['api.test'] })
    proxy.answer = () => 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'
    assert.ok(['connection-lost', 'tls-failed', 'not-kubernetes'].includes((await failure('api.test')).code))
  })

  for (const [name, answer] of [
    ['in endless pieces', 'X'],
    ['with a head without end', `${'X'.repeat(64)}: ${'x'.repeat(4096)}\r\n`],
  ] as const)
    it(`hangs up on a proxy that answers ${name}`, async () => {
      await start({ dnsNames: ['api.test'] })
      const closed = Promise.withResolvers<boolean>()
      await using dripping = createServer((socket) => {
        socket.on('error', () => undefined)
        socket.write(answer.length > 1 ? 'HTTP/1.1 200 OK\r\n' : answer)
        const timer = setInterval(() => socket.write(answer), 5)
        socket.on('close', () => {
          clearInterval(timer)
          closed.resolve(true)
        })
      })
      dripping.listen(0, '127.0.0.1')
      await once(dripping, 'listening')
      http = new GotHttp({ HTTPS_PROXY: `http://127.0.0.1:${(dripping.address() as AddressInfo).port}` })
      assert.equal((await failure('api.test')).code, 'proxy-refused')
      assert.ok(await closed.promise)
    })

  it('hangs up on a proxy that answers nothing, with the request or its agent', async () => {
    await start({ dnsNames: ['api.test'] })
    const accepted = Promise.withResolvers<Socket>()
    await using silent = createServer(accepted.resolve)
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    http = new GotHttp({ HTTPS_PROXY: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` })
    const asked = bootstrapErrorOf(http.request({ ...request('api.test'), timeoutMs: 100 }))
    const socket = await accepted.promise
    assert.equal((await asked).code, 'timed-out')
    http.close()
    socket.resume()
    await once(socket, 'close')
  })

  it('names the proxy that is not there', async () => {
    await start({ dnsNames: ['api.test'] })
    const [port = 0] = await freePorts(1)
    http = new GotHttp({ HTTPS_PROXY: `127.0.0.1:${port}` })
    const error = await failure('api.test')
    assert.equal(error.code, 'connection-refused')
    assert.match(error.message, new RegExp(`^the proxy 127.0.0.1:${port} refused the connection`))
  })

  it('asks this machine itself directly', async () => {
    await start({ ipAddresses: ['127.0.0.1'] })
    await http.request(request('127.0.0.1'))
    assert.deepEqual(proxy.connects, [])
  })
})

describe('the http port behind a proxy over TLS', () => {
  const directory = useTemporaryDirectory()
  const company = createCertificateAuthority({ commonName: 'company' })
  const here = { ipAddresses: ['127.0.0.1'] }
  const { certificatePem, privateKeyPem } = authority.issue({ commonName: 'node', extendedKeyUsages: ['clientAuth'] })
  const clientIdentity = { certificateChain: certificatePem, privateKey: createPrivateKey(privateKeyPem) }
  const before = process.env['SSL_CERT_FILE']

  afterEach(() => {
    if (before === undefined) delete process.env['SSL_CERT_FILE']
    else process.env['SSL_CERT_FILE'] = before
  })

  /** A request as a node to a server whose name only the proxy knows; what it answered, or the error. */
  async function ask(
    proxy: ConnectProxy,
    roots = authority,
  ): Promise<{ answer: string; server: DocumentServer['requests'] }> {
    // Read once in the life of a process: the first test says which roots the system has.
    process.env['SSL_CERT_FILE'] = join(directory.path, 'roots.pem')
    await writeFile(process.env['SSL_CERT_FILE'], company.certificatePem)
    const { certificatePem: certificate, privateKeyPem: key } = authority.issue({ dnsNames: ['api.test'] })
    await using server = await DocumentServer.start({
      certificate,
      key,
      tls: { requestCert: true, ca: [authority.certificatePem] },
    })
    server.documents.set('/', 'hello')
    const http = new GotHttp({ HTTPS_PROXY: proxy.url.replace('//', '//me:hunter2@') })
    try {
      const { body } = await http.request({
        method: 'GET',
        url: new URL(server.url('/', 'api.test')),
        trust: { roots: [roots.certificatePem] },
        headers: { authorization: 'Bearer made-up' },
        clientIdentity,
        timeoutMs: 20_000,
        maxBodyBytes: 1000,
        signal: new AbortController().signal,
      })
      return { answer: Buffer.from(body).toString(), server: server.requests }
    } catch (thrown) {
      const { code, message } = thrown as BootstrapError
      return { answer: `${code}: ${message}`, server: server.requests }
    } finally {
      http.close()
    }
  }

  it('believes one that the system’s roots vouch for, and shows the credentials of the node to the server alone', async () => {
    await using proxy = await ConnectProxy.start(company.issue(here))
    const { answer, server } = await ask(proxy)
    assert.equal(answer, 'hello')
    assert.deepEqual(
      proxy.connects.map(({ isCertified, headers }) => [isCertified, Object.keys(headers).sort().join()]),
      [[false, 'host,proxy-authorization']],
    )
    assert.equal(server[0]?.headers.authorization, 'Bearer made-up')
  })

  const refused = [
    ['that another CA signed', authority.issue(here), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['for another address', company.issue({ ipAddresses: ['192.0.2.1'] }), 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['that has expired', company.issue({ ...here, notAfterMs: Date.now() - 60_000 }), 'CERT_HAS_EXPIRED'],
  ] as const
  for (const [name, pair, fault] of refused)
    it(`tells a proxy nothing that shows a certificate ${name}`, async () => {
      await using proxy = await ConnectProxy.start(pair)
      const { answer } = await ask(proxy)
      assert.equal(
        answer,
        `proxy-untrusted: the proxy ${new URL(proxy.url).host} shows a certificate that is refused (${fault})`,
      )
      assert.deepEqual(proxy.connects, [])
    })

  it('says of a good proxy nothing where it is the server behind it that nothing vouches for', async () => {
    await using proxy = await ConnectProxy.start(company.issue(here))
    const { answer, server } = await ask(proxy, company)
    assert.match(answer, /^server-untrusted: api\.test:/)
    assert.deepEqual(server, [])
  })
})
