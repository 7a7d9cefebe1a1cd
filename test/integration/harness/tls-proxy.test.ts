import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { AdminClient } from '../../harness/admin-client.ts'
import { createAuthority, issueLeaf, readPem } from '../../harness/certificates.ts'
import { useTemporaryDirectory } from '../../harness/temporary-directory.ts'
import { TlsProxy } from '../../harness/tls-proxy.ts'

describe('TlsProxy', () => {
  const directory = useTemporaryDirectory()
  let upstream: Server
  let proxy: TlsProxy
  let client: AdminClient

  beforeEach(async () => {
    const authority = await createAuthority(directory.path, 'ca', 'test')
    const serving = { subject: '/CN=server', usage: 'serverAuth', subjectAltName: 'IP:127.0.0.1' } as const
    const [{ certificate: caPem }, served, node] = await Promise.all([
      readPem(authority),
      issueLeaf(directory.path, authority, { name: 'server', ...serving }).then(readPem),
      issueLeaf(directory.path, authority, { name: 'node', subject: '/CN=system:node:a', usage: 'clientAuth' }).then(
        readPem,
      ),
    ])
    upstream = createServer({ cert: served.certificate, key: served.key }, (request, response) => {
      response.setHeader('content-type', 'application/json')
      response.write(JSON.stringify({ path: request.url, method: request.method }))
      // A watch stays open: only its first event must come through.
      if (request.url?.includes('watch') !== true) response.end()
    }).listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    const address = `127.0.0.1:${(upstream.address() as AddressInfo).port}`
    proxy = await TlsProxy.start({ upstream: address, upstreamCa: caPem, ...served })
    client = new AdminClient({ port: Number(proxy.endpoint.split(':')[1]), caPem, identity: node })
  })

  afterEach(async () => {
    client.close()
    await proxy.stop()
    upstream.closeAllConnections()
    await upstream[Symbol.asyncDispose]()
  })

  it('forwards, and records what it saw', async () => {
    const { status, body } = await client.send('POST', '/csr?x=1', { wanted: true }, { authorization: 'Bearer t' })
    assert.deepEqual([status, body], [200, { path: '/csr?x=1', method: 'POST' }])
    const [seen] = proxy.requests
    assert.equal(seen?.line, 'POST /csr?x=1 HTTP/1.1')
    assert.equal(seen.headers.authorization, 'Bearer t')
    assert.equal(seen.body.toString(), '{"wanted":true}')
    assert.equal(seen.clientCommonName, 'system:node:a')
  })

  it('answers by itself', async () => {
    proxy.replace = ({ path }) =>
      path === '/busy' ? { status: 429, headers: { 'retry-after': '1' }, body: 'wait' } : undefined
    assert.deepEqual(await client.send('GET', '/busy'), { status: 429, body: 'wait' })
    assert.equal((await client.send('GET', '/free')).status, 200)
  })

  it('changes an answer', async () => {
    proxy.rewrite = (_request, answer) => ({ ...answer, body: '{"forged":true}' })
    assert.deepEqual(await client.send('GET', '/x'), { status: 200, body: { forged: true } })
  })

  it('cuts a request off', async () => {
    proxy.replace = () => 'cut'
    await assert.rejects(client.send('GET', '/x'), { code: 'ECONNRESET' })
  })

  it('passes a watch on as it comes', async () => {
    const response = await client.open('GET', '/things?watch=1')
    assert.equal(String((await once(response, 'data'))[0]), '{"path":"/things?watch=1","method":"GET"}')
    response.destroy()
  })
})
