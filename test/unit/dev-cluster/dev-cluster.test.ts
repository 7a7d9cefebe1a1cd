import assert from 'node:assert/strict'
import { Agent } from 'node:https'
import { detachedJws } from '../../../src/dev-cluster/bootstrap-tokens.ts'
import { type DevCluster, startDevCluster } from '../../../src/dev-cluster/dev-cluster.ts'
import { ask, CLUSTER_INFO, csrObject, CSRS, open, watch, type WatchEvent } from './client.ts'
import { opensslCsr } from './openssl.ts'

describe('dev cluster', () => {
  const pem = opensslCsr()
  let cluster: DevCluster
  let token: string

  beforeEach(async () => {
    cluster = await startDevCluster({ approval: 'manual', eventHistoryLimit: 5 })
    token = cluster.createToken()
  })
  afterEach(() => cluster.stop())

  const create = (name: string): string =>
    cluster.createCertificateSigningRequest(csrObject(pem, name)).metadata.resourceVersion
  const brief = (event: WatchEvent | undefined): unknown => event && [event.type, event.csr.metadata.name]
  const watchPath = (query: string): { path: string; token: string } => ({ path: `${CSRS}?watch=true&${query}`, token })

  describe('watch', () => {
    it('begins with what is there, goes on with what happens, and sees only what it selects', async () => {
      create('a')
      create('b')
      const events = await watch(cluster, watchPath('fieldSelector=metadata.name%3Da'))
      assert.deepEqual(brief(await events.next()), ['ADDED', 'a'])
      cluster.approve('b')
      cluster.deny('a')
      const denied = await events.next()
      assert.deepEqual(brief(denied), ['MODIFIED', 'a'])
      assert.equal(denied?.csr.status.conditions?.[0]?.type, 'Denied')
      cluster.deleteCertificateSigningRequest('a')
      assert.deepEqual(brief(await events.next()), ['DELETED', 'a'])
      events.close()
    })

    it('replays what happened after a resourceVersion, and counts upwards', async () => {
      const first = create('a')
      const second = create('b')
      assert.ok(Number(second) > Number(first))
      cluster.deleteCertificateSigningRequest('a')
      const events = await watch(cluster, watchPath(`resourceVersion=${first}`))
      assert.deepEqual(brief(await events.next()), ['ADDED', 'b'])
      const deleted = await events.next()
      assert.deepEqual(brief(deleted), ['DELETED', 'a'])
      assert.ok(Number(deleted?.csr.metadata.resourceVersion) > Number(second))
      events.close()
    })

    it('continues a list without a gap', async () => {
      create('a')
      const list = (await ask(cluster, { path: CSRS, token })).json as {
        metadata: { resourceVersion: string }
        items: Record<string, unknown>[]
      }
      assert.deepEqual(Object.keys(list.items[0] ?? {}), ['metadata', 'spec', 'status'])
      create('b')
      const events = await watch(cluster, watchPath(`resourceVersion=${list.metadata.resourceVersion}`))
      assert.deepEqual(brief(await events.next()), ['ADDED', 'b'])
      events.close()
    })

    it('answers a resourceVersion that is no longer kept with an ERROR event of 410, and ends', async () => {
      const first = create('a')
      create('b')
      cluster.compact()
      const events = await watch(cluster, watchPath(`resourceVersion=${first}`))
      const error = await events.next()
      assert.equal(error?.type, 'ERROR')
      const { code, reason, message } = error.failure
      assert.deepEqual([code, reason], [410, 'Expired'])
      assert.match(message ?? '', new RegExp(`^too old resource version: ${first} \\(\\d+\\)$`))
      assert.equal(await events.next(), undefined)
    })

    it('forgets the oldest events by itself', async () => {
      const first = create('a')
      for (const name of ['b', 'c', 'd', 'e', 'f', 'g']) create(name)
      const events = await watch(cluster, watchPath(`resourceVersion=${first}`))
      assert.equal((await events.next())?.type, 'ERROR')
    })

    it('sends bookmarks to those who asked', async () => {
      const asked = await watch(cluster, watchPath('allowWatchBookmarks=true'))
      const plain = await watch(cluster, watchPath(''))
      cluster.sendBookmarks()
      const version = create('a')
      const bookmark = await asked.next()
      assert.equal(bookmark?.type, 'BOOKMARK')
      assert.equal(Number(bookmark.csr.metadata.resourceVersion), Number(version) - 1)
      assert.deepEqual(brief(await asked.next()), ['ADDED', 'a'])
      assert.deepEqual(brief(await plain.next()), ['ADDED', 'a'])
      asked.close()
      plain.close()
    })

    it('ends cleanly after timeoutSeconds', async () => {
      const events = await watch(cluster, watchPath('timeoutSeconds=1'))
      assert.equal(await events.next(), undefined)
    })

    for (const [query, status, message] of [
      ['resourceVersion=abc', 500, /parsing "abc": invalid syntax/],
      ['timeoutSeconds=abc', 400, /parsing "abc": invalid syntax/],
      ['fieldSelector=bad', 400, /invalid selector: 'bad'; can't understand 'bad'/],
      ['fieldSelector=spec.bad%3Dx', 400, /field label not supported: spec.bad/],
    ] as const)
      it(`answers ${status} to ${query}`, async () => {
        const answer = await ask(cluster, watchPath(query))
        assert.equal(answer.status, status)
        assert.match(answer.failure.message ?? '', message)
      })
  })

  describe('cluster-info', () => {
    const data = async (): Promise<Record<string, string>> => (await ask(cluster, CLUSTER_INFO)).configMap.data

    it('signs as the published vector says', () => {
      // Provenance: RFC 7515 compact form, vector of Kubernetes' cluster-bootstrap tests, in docs/protocol.md §1.
      assert.equal(
        detachedJws('Hello from the other side. I must have called a thousand times.', {
          id: 'joshua',
          secret: 'my voice is my passcode',
        }),
        'eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8',
      )
    })

    it('publishes server, CA and one signature for each signing token', async () => {
      cluster.createToken({ id: 'silent', usageSigning: false })
      const published = await data()
      const [id = '', secret = ''] = token.split('.')
      const { kubeconfig = '' } = published
      assert.deepEqual(Object.keys(published), [`jws-kubeconfig-${id}`, 'kubeconfig'])
      assert.equal(published[`jws-kubeconfig-${id}`], detachedJws(kubeconfig, { id, secret }))
      assert.ok(kubeconfig.includes(`server: https://${cluster.endpoint}\n`))
      assert.ok(kubeconfig.includes(Buffer.from(cluster.caPem).toString('base64')))
    })

    it('takes the signature away with the token', async () => {
      cluster.deleteToken(token.slice(0, 6))
      assert.deepEqual(Object.keys(await data()), ['kubeconfig'])
    })

    it('can be changed with a stale or a new signature, and removed', async () => {
      const key = `jws-kubeconfig-${token.slice(0, 6)}`
      const before = await data()
      cluster.patchClusterInfo((old) => ({ ...old, kubeconfig: 'other' }))
      assert.deepEqual(await data(), { ...before, kubeconfig: 'other' })
      cluster.patchClusterInfo((old) => old, { sign: true })
      assert.notEqual((await data())[key], before[key])
      cluster.patchClusterInfo(() => undefined)
      const { status, failure } = await ask(cluster, CLUSTER_INFO)
      assert.deepEqual([status, failure.message], [404, 'configmaps "cluster-info" not found'])
    })
  })

  describe('wire', () => {
    it('records requests by connection, with their outcome', async () => {
      const agent = new Agent({ keepAlive: true })
      await ask(cluster, { path: '/version?a=b', agent })
      await ask(cluster, { path: '/foo', agent })
      await ask(cluster, { path: '/livez', token })
      agent.destroy()
      assert.equal(cluster.connections, 2)
      assert.deepEqual(cluster.requests, [
        {
          method: 'GET',
          path: '/version?a=b',
          hasAuthorization: false,
          hasClientCertificate: false,
          connection: 1,
          user: 'system:anonymous',
          status: 200,
        },
        {
          method: 'GET',
          path: '/foo',
          hasAuthorization: false,
          hasClientCertificate: false,
          connection: 1,
          user: 'system:anonymous',
          status: 403,
        },
        {
          method: 'GET',
          path: '/livez',
          hasAuthorization: true,
          hasClientCertificate: false,
          connection: 2,
          user: `system:bootstrap:${token.slice(0, 6)}`,
          status: 200,
        },
      ])
    })

    it('dates its answers', async () => {
      assert.ok(Math.abs(Date.parse((await ask(cluster, '/livez')).headers.date ?? '') - Date.now()) < 5000)
    })

    it('answers what the hook says, and itself otherwise', async () => {
      cluster.respond = ({ path }) =>
        path === '/livez' ? { status: 429, headers: { 'Retry-After': '7' }, body: '<html>' } : undefined
      const answer = await ask(cluster, '/livez')
      assert.deepEqual([answer.status, answer.headers['retry-after'], answer.text], [429, '7', '<html>'])
      assert.equal((await ask(cluster, '/readyz')).status, 200)
    })

    it('cuts a connection, or never answers, as the hook says', async () => {
      cluster.respond = () => 'destroy'
      await assert.rejects(ask(cluster, '/livez'), { code: 'ECONNRESET' })
      const arrived = new Promise<void>((resolve) => {
        cluster.respond = () => {
          resolve()
          return 'hang'
        }
      })
      const rejected = assert.rejects(ask(cluster, '/livez'), { code: 'ECONNRESET' })
      await arrived
      assert.equal(cluster.requests.at(-1)?.status, undefined)
      await cluster.stop()
      await rejected
    })

    it('sends an endless body until the client goes', async () => {
      const stopped = new Promise<void>((resolve) => {
        cluster.respond = () => ({ status: 200, body: endless(resolve) })
      })
      const response = await open(cluster, { path: '/livez' })
      let size = 0
      for await (const chunk of response as AsyncIterable<Buffer>) {
        size += chunk.length
        if (size > 1_000_000) break
      }
      await stopped
    })

    it('comes back on the same port with what it had', async () => {
      create('a')
      const { endpoint } = cluster
      const events = await watch(cluster, watchPath(''))
      assert.deepEqual(brief(await events.next()), ['ADDED', 'a'])
      const broken = assert.rejects(events.next(), { code: 'ECONNRESET' })
      await cluster.restart()
      await broken
      assert.equal(cluster.endpoint, endpoint)
      assert.equal((await ask(cluster, { path: `${CSRS}/a`, token })).status, 200)
    })

    it('presents another server certificate when told to', async () => {
      cluster.useServerCertificate(cluster.ca.issue({ dnsNames: ['other.test'], extendedKeyUsages: ['serverAuth'] }))
      await assert.rejects(ask(cluster, '/livez'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
    })
  })
})

async function* endless(onEnd: () => void): AsyncGenerator<string, void> {
  try {
    for (;;) {
      yield 'x'.repeat(65_536)
      await new Promise(setImmediate)
    }
  } finally {
    onEnd()
  }
}
