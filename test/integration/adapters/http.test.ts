/** The http port against real servers on loopback: what TLS lets through, what it does not, and what errors give away. */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createPlainServer } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { GotHttp } from '../../../src/adapters/http.ts'
import {
  createCertificateAuthority,
  type CertificateOptions,
  type IssuedIdentity,
} from '../../../src/dev-cluster/certificate-authority.ts'
import type { ErrorCode } from '../../../src/lib/error-codes.ts'
import type { BootstrapError } from '../../../src/lib/errors.ts'
import type { HttpRequest } from '../../../src/lib/ports.ts'
import { bootstrapErrorOf } from '../../harness/thrown.ts'

const SECRET = 'abcdef.0123456789abcdef'
const DAY_MS = 86_400_000
const authority = createCertificateAuthority()
const good: CertificateOptions = {
  dnsNames: ['localhost'],
  ipAddresses: ['127.0.0.1', '::1'],
  extendedKeyUsages: ['serverAuth'],
}
type Answer = (request: IncomingMessage, response: ServerResponse) => void
const ok: Answer = (_request, response) => response.end('ok')

describe('the http port', () => {
  let http: GotHttp
  let closers: (() => Promise<void>)[]
  let connections: number
  beforeEach(() => {
    http = new GotHttp()
    closers = []
    connections = 0
  })
  afterEach(async () => {
    http.close()
    for (const close of closers) await close()
  })

  async function listen(server: Server, host: string): Promise<number> {
    const sockets = new Set<Socket>()
    server.on('connection', (socket) => {
      connections += 1
      sockets.add(socket)
      socket.on('error', () => undefined)
    })
    server.listen(0, host)
    await once(server, 'listening')
    closers.push(async () => {
      for (const socket of sockets) socket.destroy()
      await server[Symbol.asyncDispose]()
    })
    return (server.address() as AddressInfo).port
  }

  async function serve(
    identity: IssuedIdentity,
    answer: Answer = ok,
    host = '127.0.0.1',
    more: ServerOptions = {},
  ): Promise<URL> {
    const server = createTlsServer({ cert: identity.certificatePem, key: identity.privateKeyPem, ...more }, answer)
    const port = await listen(server, host)
    return new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}/`)
  }

  const request = (url: URL, more: Partial<HttpRequest> = {}): HttpRequest => ({
    method: 'GET',
    url,
    trust: { roots: [authority.certificatePem] },
    headers: { authorization: `Bearer ${SECRET}` },
    timeoutMs: 20_000,
    maxBodyBytes: 1000,
    signal: new AbortController().signal,
    ...more,
  })

  /** The error, after looking for the credential in all that a careless logger could print of it. */
  async function failure(url: URL, more: Partial<HttpRequest> = {}): Promise<BootstrapError> {
    const error = await bootstrapErrorOf(http.request(request(url, more)))
    const printed = inspect(error, { depth: 10, showHidden: true }) + String(error.stack)
    assert.doesNotMatch(printed, /0123456789abcdef|Bearer|authorization/i)
    assert(error.message.includes(url.hostname), error.message)
    return error
  }
  const text = async (url: URL, more: Partial<HttpRequest> = {}): Promise<string> =>
    Buffer.from((await http.request(request(url, more))).body).toString()

  it('says who cannot be reached, when asked for a server’s certificates', async () => {
    const { signal } = new AbortController()
    const gone = http.presentedCertificates(new URL('https://127.0.0.1:1/'), 20_000, signal)
    assert.equal((await bootstrapErrorOf(gone)).code, 'connection-refused')
  })

  describe('trusts', () => {
    for (const [name, options, host] of [
      ['an IPv4 address in the subjectAltName', { ipAddresses: ['127.0.0.1'] }, '127.0.0.1'],
      ['an IPv6 address in the subjectAltName', { ipAddresses: ['::1'] }, '::1'],
      ['a name in the subjectAltName', { dnsNames: ['localhost'] }, 'localhost'],
    ] as const)
      it(`a certificate with ${name}`, async () => {
        assert.equal(await text(await serve(authority.issue(options), ok, host)), 'ok')
      })

    it('a server whose intermediate is itself the anchor', async () => {
      const middle = createCertificateAuthority({ commonName: 'middle', parent: authority })
      const url = await serve(middle.issue(good))
      assert.equal(await text(url, { trust: { roots: [middle.certificatePem] } }), 'ok')
      assert.equal((await failure(url)).code, 'server-untrusted')
    })

    it('a server that sends the intermediates up to the anchor', async () => {
      const middle = createCertificateAuthority({ commonName: 'middle', parent: authority })
      const leaf = middle.issue(good)
      assert.equal(
        await text(await serve({ ...leaf, certificatePem: leaf.certificatePem + middle.certificatePem })),
        'ok',
      )
    })

    it('any one of several anchors', async () => {
      const roots = [createCertificateAuthority({ commonName: 'other' }).certificatePem, authority.certificatePem]
      assert.equal(await text(await serve(authority.issue(good)), { trust: { roots } }), 'ok')
    })

    it('anything at all only where it is told to', async () => {
      const url = await serve(createCertificateAuthority().issue({ notAfterMs: Date.now() - DAY_MS }))
      assert.equal(await text(url, { trust: 'unverified' }), 'ok')
      assert.notEqual((await failure(url)).code, undefined)
    })
  })

  describe('says of a certificate that it refuses', () => {
    const iso = (ms: number): string => new Date(ms).toISOString().slice(0, 19)

    it('from when to when it is valid, and what time it is here', async () => {
      const [notBeforeMs, notAfterMs] = [Date.now() - 2 * DAY_MS, Date.now() - DAY_MS]
      const { code, message } = await failure(await serve(authority.issue({ ...good, notBeforeMs, notAfterMs })))
      assert.equal(code, 'server-certificate-expired')
      assert(message.includes(`: valid from ${iso(notBeforeMs)}`), message)
      assert(message.includes(` to ${iso(notAfterMs)}`), message)
      assert(message.includes(`; here it is ${iso(Date.now()).slice(0, 13)}`), message)
    })

    it('what time the server says it is, where it says so', async () => {
      const expired = authority.issue({ ...good, notAfterMs: Date.now() - 60_000 })
      const saying = (date: string): Promise<URL> =>
        serve(expired, (_request, response) => response.setHeader('date', date).end())
      const past = await failure(await saying('Fri, 31 Dec 1999 23:59:59 GMT'))
      assert.match(past.message, /there, as the unverified server says, 1999-12-31T23:59:59.000Z: this .* min ahead of/)
      const agreeing = await failure(await serve(expired))
      assert.match(agreeing.message, /as the unverified server says, 20\S+: the two clocks agree$/)
      const babbling = await failure(await saying('soon 3'))
      assert.match(babbling.message, /here it is 20\S+Z$/)
    })

    it('who issued it, so that a proxy that reads along is known by its name', async () => {
      const reader = createCertificateAuthority({ commonName: 'Corporate Inspection CA' })
      const { code, message } = await failure(await serve(reader.issue(good)))
      assert.equal(code, 'server-untrusted')
      assert.match(message, /: issued by CN=Corporate Inspection CA$/)
    })
  })

  it('begins every connection anew: a resumed session would not show the certificate again', async () => {
    const resumed: boolean[] = []
    const url = await serve(authority.issue(good), ({ socket }, response) => {
      resumed.push(!(socket instanceof TLSSocket) || socket.isSessionReused())
      response.setHeader('connection', 'close').end('ok')
    })
    for (let count = 0; count < 2; count += 1) await http.request(request(url))
    assert.deepEqual(resumed, [false, false])
  })

  const refused: readonly [name: string, identity: IssuedIdentity, code: ErrorCode][] = [
    ['an address as common name only', authority.issue({ commonName: '127.0.0.1' }), 'server-name-mismatch'],
    ['another name', authority.issue({ dnsNames: ['other'] }), 'server-name-mismatch'],
    ['the address as a DNS name', authority.issue({ dnsNames: ['127.0.0.1'] }), 'server-name-mismatch'],
    ['a URI alone', authority.issue({ uris: ['https://127.0.0.1/'] }), 'server-name-mismatch'],
    ['an end in the past', authority.issue({ ...good, notAfterMs: Date.now() - 60_000 }), 'server-certificate-expired'],
    [
      'a beginning in the future',
      authority.issue({ ...good, notBeforeMs: Date.now() + DAY_MS, notAfterMs: Date.now() + 2 * DAY_MS }),
      'server-certificate-not-yet-valid',
    ],
    ['another authority', createCertificateAuthority({ commonName: 'other' }).issue(good), 'server-untrusted'],
    ['another authority of the same name', createCertificateAuthority().issue(good), 'server-untrusted'],
    ['its own signature', createCertificateAuthority({ ...good, commonName: 'self' }), 'server-untrusted'],
    [
      'a purpose other than to serve',
      authority.issue({ ...good, extendedKeyUsages: ['clientAuth'] }),
      'server-untrusted',
    ],
  ]
  describe('refuses, and has sent nothing but the question what time it is, a certificate with', () => {
    for (const [name, identity, code] of refused)
      it(name, async () => {
        const requests: string[] = []
        const url = await serve(identity, ({ method, url: path, rawHeaders }, response) => {
          requests.push([method, path, ...rawHeaders.filter((_, index) => index % 2 === 0)].join(' '))
          response.end()
        })
        assert.equal((await failure(url)).code, code)
        const isOfTime = code === 'server-certificate-expired' || code === 'server-certificate-not-yet-valid'
        assert.deepEqual(requests, isOfTime ? ['HEAD / Host Connection'] : [])
      })

    it('the right name as common name only, which Node would take', async () => {
      const url = await serve(authority.issue({ commonName: 'localhost' }), ok, 'localhost')
      const error = await failure(url)
      assert.equal(error.code, 'server-name-mismatch')
      assert.match(error.message, /no subjectAltName/)
    })

    it('a signature by a certificate that is no authority', async () => {
      const impostor = createCertificateAuthority({ parent: authority, isCertificateAuthority: false, commonName: 'x' })
      const leaf = impostor.issue(good)
      const url = await serve({ ...leaf, certificatePem: leaf.certificatePem + impostor.certificatePem })
      assert.equal((await failure(url)).code, 'server-untrusted')
    })
  })

  it('checks the name anew for another name of the same server, on the same agent', async () => {
    const url = await serve(authority.issue({ ipAddresses: ['127.0.0.1'] }))
    assert.equal(await text(url), 'ok')
    const other = new URL(url)
    other.hostname = 'localhost'
    assert.equal((await failure(other)).code, 'server-name-mismatch')
    assert.equal(await text(url), 'ok')
  })

  it('does not carry trust over from an unverified connection, nor from another anchor', async () => {
    const url = await serve(createCertificateAuthority().issue(good))
    assert.equal(await text(url, { trust: 'unverified' }), 'ok')
    assert.equal((await failure(url)).code, 'server-untrusted')
  })

  it('keeps a connection for requests of one trust and identity, and opens another for any other', async () => {
    const url = await serve(authority.issue(good))
    for (let count = 0; count < 3; count += 1) await text(url)
    assert.equal(connections, 1)
    await text(url, { trust: 'unverified' })
    assert.equal(connections, 2)
    await text(url, { trust: { roots: [authority.certificatePem, authority.certificatePem] } })
    assert.equal(connections, 3)
  })

  it('shows its client certificate to a verified server and to no other', async () => {
    const seen: boolean[] = []
    const url = await serve(
      authority.issue(good),
      ({ socket }, response) => {
        seen.push(socket instanceof TLSSocket && 'raw' in socket.getPeerCertificate())
        response.end('ok')
      },
      '127.0.0.1',
      { requestCert: true, rejectUnauthorized: false },
    )
    const { certificatePem, privateKeyPem } = authority.issue({ commonName: 'node' })
    const clientIdentity = { certificateChain: certificatePem, privateKey: createPrivateKey(privateKeyPem) }
    await text(url)
    await text(url, { clientIdentity })
    await text(url, { trust: 'unverified', clientIdentity })
    assert.deepEqual(seen, [false, true, false])
  })

  it('sends method, headers and body as given, and gives status, headers and body of any answer', async () => {
    const url = await serve(authority.issue(good), (incoming, response) => {
      response.writeHead(422, { 'X-One': ['a', 'b'] })
      void incoming.toArray().then((chunks: Buffer[]) => {
        const { method, url: path, headers } = incoming
        response.end(
          JSON.stringify([
            method,
            path,
            headers.authorization,
            headers['accept-encoding'],
            Buffer.concat(chunks).toString(),
          ]),
        )
      })
    })
    const answer = await http.request(request(new URL('/a%2Fb?x=1', url), { method: 'POST', body: 'grüße' }))
    assert.equal(answer.status, 422)
    assert.equal(answer.headers['x-one'], 'a, b')
    assert.deepEqual(JSON.parse(Buffer.from(answer.body).toString()), [
      'POST',
      '/a%2Fb?x=1',
      `Bearer ${SECRET}`,
      'identity',
      'grüße',
    ])
  })

  it('follows no redirect', async () => {
    let requests = 0
    const url = await serve(authority.issue(good), (_request, response) => {
      requests += 1
      response.writeHead(302, { location: '/elsewhere' }).end()
    })
    assert.equal((await http.request(request(url))).status, 302)
    assert.equal(requests, 1)
  })

  it('tries nothing twice', async () => {
    let requests = 0
    const url = await serve(authority.issue(good), (_request, response) => {
      requests += 1
      response.writeHead(503, { 'retry-after': '0' }).end()
    })
    assert.equal((await http.request(request(url))).status, 503)
    assert.equal(requests, 1)
  })

  it('does not unpack a body, which could be a bomb', async () => {
    const packed = gzipSync(Buffer.alloc(100_000))
    const url = await serve(authority.issue(good), (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed)
    })
    assert.deepEqual(Buffer.from((await http.request(request(url))).body), packed)
  })

  it('takes a body of the very bound and refuses a byte more, though Content-Length says nothing', async () => {
    const url = await serve(authority.issue(good), ({ url: path }, response) => {
      response.write('x'.repeat(999))
      response.end(path === '/more' ? 'xx' : 'x')
    })
    assert.equal((await text(url)).length, 1000)
    assert.equal((await failure(new URL('/more', url))).code, 'body-too-large')
  })

  it('ends an endless body at the bound, and the connection with it', async () => {
    const ended = Promise.withResolvers<boolean>()
    const url = await serve(authority.issue(good), (_request, response) => {
      const more = (): void => {
        while (response.write('x'.repeat(1000)));
      }
      response.on('drain', more).on('close', () => {
        ended.resolve(true)
      })
      more()
    })
    assert.equal((await failure(url)).code, 'body-too-large')
    assert(await ended.promise)
  })

  it('takes a body that is shorter than its Content-Length for a broken connection', async () => {
    const url = await serve(authority.issue(good), (_request, response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('short', () => response.destroy())
    })
    assert.equal((await failure(url)).code, 'connection-lost')
  })

  it('takes no more than Content-Length says', async () => {
    const url = await serve(authority.issue(good), ({ socket }) => {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nevil')
    })
    // Node may notice the rest at once, or when the answer is already complete; it never makes an answer of it.
    const outcome = await text(url).catch((error: unknown) => (error as BootstrapError).code)
    assert.match(outcome, /^(ok|not-kubernetes)$/)
  })

  for (const [name, answer, code] of [
    ['cuts the connection', ({ socket }: IncomingMessage) => socket.destroy(), 'connection-lost'],
    ['speaks no HTTP', ({ socket }: IncomingMessage) => socket.end('SSH-2.0-x\r\n\r\n'), 'not-kubernetes'],
    [
      'sends headers without end',
      ({ socket }: IncomingMessage) => socket.write(`HTTP/1.1 200 OK\r\n${'X-Y: z\r\n'.repeat(20_000)}`),
      'not-kubernetes',
    ],
  ] as const)
    it(`takes a server that ${name} for ${code}`, async () => {
      assert.equal((await failure(await serve(authority.issue(good), answer))).code, code)
    })

  it('takes a plain HTTP server for none of Kubernetes', async () => {
    const port = await listen(createPlainServer(ok), '127.0.0.1')
    assert.equal((await failure(new URL(`https://127.0.0.1:${port}`))).code, 'not-kubernetes')
  })

  it('takes TLS 1.1 for no TLS', async () => {
    const url = await serve(authority.issue(good), ok, '127.0.0.1', {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT:@SECLEVEL=0',
    })
    assert.equal((await failure(url)).code, 'tls-failed')
  })

  it('takes a reset for a lost connection, and a closed port for a refused one', async () => {
    const port = await listen(
      createTcpServer((socket) => socket.resetAndDestroy()),
      '127.0.0.1',
    )
    assert.equal((await failure(new URL(`https://127.0.0.1:${port}`))).code, 'connection-lost')
    await closers.pop()?.()
    assert.equal((await failure(new URL(`https://127.0.0.1:${port}`))).code, 'connection-refused')
  })

  it('takes a name that does not resolve for what it is', async () => {
    assert.equal((await failure(new URL('https://does-not-exist.invalid:6443'))).code, 'name-unresolved')
  })

  describe('gives up after its own time', () => {
    it('on a server that never answers', async () => {
      assert.equal(
        (await failure(await serve(authority.issue(good), () => undefined), { timeoutMs: 150 })).code,
        'timed-out',
      )
    })

    it('on a server that never ends its answer', async () => {
      const url = await serve(authority.issue(good), (_request, response) => {
        response.write('x')
      })
      assert.equal((await failure(url, { timeoutMs: 150 })).code, 'timed-out')
    })

    it('on a server that accepts and says nothing', async () => {
      const port = await listen(createTcpServer(), '127.0.0.1')
      assert.equal((await failure(new URL(`https://127.0.0.1:${port}`), { timeoutMs: 150 })).code, 'timed-out')
    })
  })

  it('ends when it is aborted, before and after the answer has begun', async () => {
    const begun = Promise.withResolvers<undefined>()
    const url = await serve(authority.issue(good), (_request, response) => {
      response.write('x')
      begun.resolve(undefined)
    })
    assert.equal((await failure(url, { signal: AbortSignal.abort() })).code, 'connection-lost')
    const abort = new AbortController()
    const pending = failure(url, { signal: abort.signal })
    await begun.promise
    abort.abort()
    assert.equal((await pending).code, 'connection-lost')
  })

  describe('as a stream', () => {
    const open = (url: URL, more: Partial<HttpRequest> & { streamTimeoutMs?: number } = {}) =>
      http.stream({ ...request(url, more), streamTimeoutMs: more.streamTimeoutMs ?? 20_000 })
    async function drain(chunks: AsyncIterable<Uint8Array>): Promise<string> {
      let all = ''
      for await (const chunk of chunks) all += Buffer.from(chunk).toString()
      return all
    }

    it('gives the head first and then each piece, to the end', async () => {
      const url = await serve(authority.issue(good), (_request, response) => {
        response.write('one')
        response.end('two')
      })
      const { status, chunks } = await open(url)
      assert.deepEqual([status, await drain(chunks)], [200, 'onetwo'])
    })

    it('is cut off when it has not ended in time, silent or not', async () => {
      for (const more of [() => undefined, (response: ServerResponse) => response.write('x')]) {
        const url = await serve(authority.issue(good), (_request, response) => {
          response.write('x')
          const timer = setInterval(() => more(response), 20)
          response.on('close', () => {
            clearInterval(timer)
          })
        })
        const { chunks } = await open(url, { streamTimeoutMs: 100 })
        assert.equal((await bootstrapErrorOf(drain(chunks))).code, 'timed-out')
      }
    })

    it('says when the connection breaks', async () => {
      const url = await serve(authority.issue(good), (_request, response) => {
        response.write('x', () => response.destroy())
      })
      const { chunks } = await open(url)
      assert.equal((await bootstrapErrorOf(drain(chunks))).code, 'connection-lost')
    })

    it('gives up on a head that does not come', async () => {
      const url = await serve(authority.issue(good), () => undefined)
      assert.equal((await bootstrapErrorOf(open(url, { timeoutMs: 150 }))).code, 'timed-out')
    })

    it('lets the connection go when its reader does', async () => {
      const closed = Promise.withResolvers<boolean>()
      const url = await serve(authority.issue(good), (_request, response) => {
        response.on('close', () => {
          closed.resolve(true)
        })
        response.write('x')
      })
      const { chunks } = await open(url)
      for await (const chunk of chunks) if (chunk.length > 0) break
      assert(await closed.promise)
    })
  })
})
