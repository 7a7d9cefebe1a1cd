/** Discovery by token against control planes in this process, over real TLS; some of them belong to an attacker. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { systemClock } from '../../../src/adapters/clock.ts'
import { GotHttp } from '../../../src/adapters/http.ts'
import type { Endpoint } from '../../../src/config/index.ts'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import { startDevCluster, type DevCluster, type DevClusterOptions } from '../../../src/dev-cluster/dev-cluster.ts'
import type { InjectedResponse } from '../../../src/dev-cluster/tls-server.ts'
import type { Discovered } from '../../../src/discovery/discovered.ts'
import { discoverByToken, type TokenDiscoveryInput } from '../../../src/discovery/token-discovery.ts'
import { ApiClient } from '../../../src/kube/api-request.ts'
import { parseBootstrapToken } from '../../../src/lib/bootstrap-token.ts'
import type { BootstrapError } from '../../../src/lib/errors.ts'
import { parseCertificates } from '../../../src/pki/certificate.ts'
import type { Clock } from '../../../src/lib/ports.ts'
import { freePorts } from '../../harness/free-ports.ts'
import { clusterInfoSignature } from '../../harness/cluster-info-signature.ts'
import { bootstrapErrorOf } from '../../harness/thrown.ts'

const TOKEN = 'abcdef.0123456789abcdef'
const [TOKEN_ID, TOKEN_SECRET] = ['abcdef', '0123456789abcdef']

describe('discovery by token', () => {
  const clusters: DevCluster[] = []
  const client = new ApiClient(new GotHttp(), systemClock, 'test')

  async function start(options: DevClusterOptions = {}): Promise<DevCluster> {
    const cluster = await startDevCluster(options)
    cluster.createToken({ id: TOKEN_ID, secret: TOKEN_SECRET })
    clusters.push(cluster)
    return cluster
  }

  afterEach(async () => {
    client.close()
    const sent = clusters.flatMap(({ requests }) => requests)
    await Promise.all(clusters.splice(0).map((cluster) => cluster.stop()))
    // The one promise that holds for every row below: nothing that authenticates ever leaves the machine.
    assert(sent.every(({ hasAuthorization, hasClientCertificate }) => !hasAuthorization && !hasClientCertificate))
  })

  const endpoint = (text: string): Endpoint => ({
    host: text.slice(0, text.lastIndexOf(':')),
    port: Number(text.slice(text.lastIndexOf(':') + 1)),
  })
  /** Time that passes for nobody: the next endpoint is asked only when its predecessor has failed. */
  const standingClock: Clock = {
    ...systemClock,
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          resolve()
        })
      }),
  }
  const impatientClock: Clock = { ...systemClock, sleep: () => Promise.resolve() }

  function discover(
    endpoints: readonly string[],
    input: Partial<TokenDiscoveryInput> = {},
    clock = standingClock,
  ): Promise<Discovered> {
    const token = parseBootstrapToken(TOKEN)
    assert(token !== undefined)
    return discoverByToken(
      client,
      { endpoints: endpoints.map(endpoint), token, caCertHashes: [], knownAuthorities: undefined, ...input },
      clock,
      new AbortController().signal,
    )
  }
  const failure = (...args: Parameters<typeof discover>): Promise<BootstrapError> => bootstrapErrorOf(discover(...args))
  const pinOf = ({ caCertHash }: { caCertHash: string }): string => caCertHash.replace('sha256:', '')
  const kubeconfig = (server: string, caPem: string): string =>
    JSON.stringify({
      clusters: [
        { name: '', cluster: { server, 'certificate-authority-data': Buffer.from(caPem).toString('base64') } },
      ],
    })
  /** What a holder of the token can serve: any kubeconfig, rightly signed. */
  const forged = (text: string): InjectedResponse => ({
    status: 200,
    body: JSON.stringify({
      kind: 'ConfigMap',
      apiVersion: 'v1',
      data: { kubeconfig: text, [`jws-kubeconfig-${TOKEN_ID}`]: clusterInfoSignature(text, TOKEN_ID, TOKEN_SECRET) },
    }),
  })

  it('verifies a cluster by its signature, and says so', async () => {
    const cluster = await start()
    const { cluster: found, evidence } = await discover([cluster.endpoint])
    assert.equal(found.server.host, cluster.endpoint)
    assert.deepEqual(
      found.authorities.map(({ der }) => Buffer.from(der)),
      [Buffer.from(cluster.ca.certificateDer)],
    )
    assert.equal(evidence.source, cluster.endpoint)
    assert.match(evidence.verified[0] ?? '', /signed with the secret of token abcdef/)
    assert.deepEqual(
      cluster.requests.map(({ method, path }) => `${method} ${path}`),
      Array<string>(2).fill('GET /api/v1/namespaces/kube-public/configmaps/cluster-info'),
    )
    assert.equal(cluster.connections, 2)
  })

  it('says by which pin, or that the CA came from elsewhere', async () => {
    const cluster = await start()
    const pinned = await discover([cluster.endpoint], { caCertHashes: [pinOf(cluster)] })
    assert.match(pinned.evidence.verified.join('\n'), new RegExp(cluster.caCertHash))
    const known = await discover([cluster.endpoint], { knownAuthorities: parseCertificates(cluster.caPem) })
    assert.match(known.evidence.verified.join('\n'), /caFile/)
  })

  it('verifies the very first connection where the CA came from elsewhere', async () => {
    const cluster = await start()
    const stranger = parseCertificates(createCertificateAuthority().certificatePem)
    assert.equal((await failure([cluster.endpoint], { knownAuthorities: stranger })).code, 'server-untrusted')
    assert.equal(cluster.requests.length, 0)
  })

  it('refuses a cluster-info with one CA more than the bundle that came from elsewhere', async () => {
    const cluster = await start()
    const bundle = cluster.caPem + createCertificateAuthority().certificatePem
    cluster.patchClusterInfo((data) => ({ ...data, kubeconfig: kubeconfig(`https://${cluster.endpoint}`, bundle) }), {
      sign: true,
    })
    const knownAuthorities = parseCertificates(cluster.caPem)
    assert.equal((await failure([cluster.endpoint], { knownAuthorities })).code, 'ca-not-trusted')
    await discover([cluster.endpoint], { knownAuthorities: parseCertificates(bundle) })
  })

  it('does without a CA in cluster-info where it came from elsewhere, and else says what to do', async () => {
    const cluster = await start()
    cluster.patchClusterInfo(
      (data) => ({
        ...data,
        kubeconfig: JSON.stringify({ clusters: [{ cluster: { server: `https://${cluster.endpoint}` } }] }),
      }),
      { sign: true },
    )
    assert.equal((await failure([cluster.endpoint])).code, 'ca-missing')
    const knownAuthorities = parseCertificates(cluster.caPem)
    assert.deepEqual((await discover([cluster.endpoint], { knownAuthorities })).cluster.authorities, knownAuthorities)
  })

  it('refuses another pin, and shows the one that would fit', async () => {
    const cluster = await start()
    const error = await failure([cluster.endpoint], { caCertHashes: ['0'.repeat(64)] })
    assert.equal(error.code, 'pin-mismatch')
    assert.match(error.message, new RegExp(cluster.caCertHash))
    assert.equal(cluster.requests.length, 1)
  })

  it('enforces pins beside the CA from elsewhere', async () => {
    const cluster = await start()
    const knownAuthorities = parseCertificates(cluster.caPem)
    const error = await failure([cluster.endpoint], { knownAuthorities, caCertHashes: ['0'.repeat(64)] })
    assert.equal(error.code, 'pin-mismatch')
  })

  it('does not let a holder of the token append a CA of their own to the pinned one', async () => {
    const cluster = await start()
    const attacker = createCertificateAuthority()
    const middle = await start({ ca: attacker })
    const bundle = cluster.caPem + attacker.certificatePem
    middle.respond = () => forged(kubeconfig(`https://${middle.endpoint}`, bundle))
    const error = await failure([middle.endpoint], { caCertHashes: [pinOf(cluster)] })
    assert.equal(error.code, 'server-untrusted')
    assert.equal(middle.requests.length, 1)
  })

  it('does not let a holder of the token have the real server vouch for an altered bundle', async () => {
    const cluster = await start()
    const middle = await start()
    middle.respond = () => forged(kubeconfig(`https://${cluster.endpoint}`, cluster.caPem + middle.caPem))
    const error = await failure([middle.endpoint], { caCertHashes: [pinOf(cluster)] })
    assert.equal(error.code, 'cluster-info-differs')
  })

  it('refuses a second answer that differs from the first by one byte', async () => {
    const cluster = await start()
    const text = kubeconfig(`https://${cluster.endpoint}`, cluster.caPem)
    cluster.respond = ({ connection }) => forged(connection === 1 ? text : `${text}\n`)
    assert.equal((await failure([cluster.endpoint])).code, 'cluster-info-differs')
  })

  it('goes to the server that cluster-info names, not to the endpoint, and says so', async () => {
    const cluster = await start()
    const balancer = await start()
    balancer.respond = () => forged(kubeconfig(`https://${cluster.endpoint}`, cluster.caPem))
    cluster.respond = balancer.respond
    const { cluster: found, evidence } = await discover([balancer.endpoint], { caCertHashes: [pinOf(cluster)] })
    assert.equal(found.server.host, cluster.endpoint)
    assert.equal(evidence.source, balancer.endpoint)
  })

  it('refuses a server whose certificate the CA in cluster-info did not sign', async () => {
    const cluster = await start()
    cluster.useServerCertificate(createCertificateAuthority().issue({ ipAddresses: ['127.0.0.1'] }))
    assert.equal((await failure([cluster.endpoint])).code, 'server-untrusted')
  })

  const answers: readonly [name: string, answer: InjectedResponse, code: string][] = [
    ['a web page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }, 'not-kubernetes'],
    ['another object', { status: 200, body: '{"kind":"Pod"}' }, 'not-kubernetes'],
    [
      'a ConfigMap without kubeconfig',
      { status: 200, body: '{"kind":"ConfigMap","data":{}}' },
      'cluster-info-malformed',
    ],
    [
      'a kubeconfig that is no text',
      { status: 200, body: '{"kind":"ConfigMap","data":{"kubeconfig":1}}' },
      'cluster-info-malformed',
    ],
    ['401', { status: 401, body: '{"kind":"Status","message":"m"}' }, 'anonymous-access-off'],
    ['403', { status: 403, body: '{"kind":"Status","message":"m"}' }, 'cluster-info-forbidden'],
    ['404', { status: 404, body: '{"kind":"Status","message":"m"}' }, 'cluster-info-missing'],
    ['404 by something else', { status: 404, body: 'nginx' }, 'not-kubernetes'],
    ['503', { status: 503, headers: { 'retry-after': '9' } }, 'server-failed'],
    ['a redirect', { status: 302, headers: { location: 'https://127.0.0.1:1/' } }, 'redirect-refused'],
    ['a signed kubeconfig of two clusters', forged('clusters: [{}, {}]'), 'cluster-info-malformed'],
    [
      'a signed kubeconfig that turns TLS off',
      forged('clusters: [{cluster: {server: "https://a", insecure-skip-tls-verify: true}}]'),
      'cluster-info-malformed',
    ],
    ['a signed bundle of words', forged(kubeconfig('https://127.0.0.1:1', 'words')), 'ca-malformed'],
  ]
  for (const [name, answer, code] of answers)
    it(`takes ${name} for ${code}`, async () => {
      const cluster = await start({ respond: () => answer })
      const error = await failure([cluster.endpoint])
      assert.equal(error.code, code)
      assert.equal(error.retryAfterMs, name === '503' ? 9000 : undefined)
      assert.equal(cluster.requests.length, 1)
    })

  it('says which of the real refusals it met', async () => {
    const closed = await start({ anonymousAccess: false })
    assert.equal((await failure([closed.endpoint])).code, 'anonymous-access-off')
    const unpublished = await start()
    unpublished.patchClusterInfo(() => undefined)
    assert.equal((await failure([unpublished.endpoint])).code, 'cluster-info-missing')
  })

  it('waits within its deadline for a signature that is not there yet, or lags', async () => {
    const cluster = await start()
    cluster.deleteToken(TOKEN_ID)
    const missing = await failure([cluster.endpoint])
    assert.deepEqual([missing.code, missing.retryable], ['token-unknown', 'until-deadline'])
    cluster.createToken({ id: TOKEN_ID, secret: TOKEN_SECRET })
    cluster.patchClusterInfo((data) => ({ ...data, kubeconfig: `${data['kubeconfig'] ?? ''}# edited\n` }))
    const stale = await failure([cluster.endpoint])
    assert.deepEqual([stale.code, stale.retryable], ['signature-mismatch', 'until-deadline'])
  })

  it('refuses a cluster that does not know the secret', async () => {
    const cluster = await startDevCluster()
    clusters.push(cluster)
    cluster.createToken({ id: TOKEN_ID, secret: 'fedcba9876543210' })
    const error = await failure([cluster.endpoint])
    assert.equal(error.code, 'signature-mismatch')
    assert.doesNotMatch(error.message, new RegExp(TOKEN_SECRET))
  })

  describe('with several endpoints', () => {
    it('passes over one that is dead and one that lies', async () => {
      const [port] = await freePorts(1)
      const liar = await start({ respond: () => forged(kubeconfig('https://127.0.0.1:1', 'words')) })
      const cluster = await start()
      const { evidence } = await discover([`127.0.0.1:${port ?? 0}`, liar.endpoint, cluster.endpoint])
      assert.equal(evidence.source, cluster.endpoint)
    })

    it('passes over one that does not answer, and hangs up on it', async () => {
      const hungUp = Promise.withResolvers<undefined>()
      // A port that accepts and never says a word.
      const deaf = createServer((socket) =>
        socket
          .on('close', () => {
            hungUp.resolve(undefined)
          })
          .resume(),
      )
      deaf.listen(0, '127.0.0.1')
      await once(deaf, 'listening')
      const liar = await start({ respond: () => forged(kubeconfig('https://127.0.0.1:1', 'words')) })
      const cluster = await start()
      const deafEndpoint = `127.0.0.1:${(deaf.address() as AddressInfo).port}`
      const { evidence } = await discover([deafEndpoint, liar.endpoint, cluster.endpoint], {}, impatientClock)
      assert.equal(evidence.source, cluster.endpoint)
      await hungUp.promise
      deaf.close()
    })

    it('asks no more than it must', async () => {
      const [cluster, spare] = [await start(), await start()]
      await discover([cluster.endpoint, spare.endpoint])
      assert.equal(cluster.requests.length, 2)
      assert.equal(spare.connections, 0)
    })

    it('asks the one server that all of them name once, not once for each of them', async () => {
      const server = await start()
      const doors = [await start(), await start(), await start()]
      const text = kubeconfig(`https://${server.endpoint}`, server.caPem)
      // The server answers when all doors have been tried.
      const released = Promise.withResolvers<InjectedResponse>()
      for (const door of doors)
        door.respond = () => {
          if (doors.every(({ requests }) => requests.length > 0)) released.resolve(forged(text))
          return forged(text)
        }
      server.respond = () => released.promise
      const found = await discover(
        doors.map((door) => door.endpoint),
        {},
        impatientClock,
      )
      assert.equal(found.cluster.server.host, server.endpoint)
      assert.equal(server.requests.length, 1)
    })

    it('names what each of them answered, and by its code the worst', async () => {
      const [port = 0] = await freePorts(1)
      const cluster = await start()
      const error = await failure([`127.0.0.1:${port}`, cluster.endpoint], { caCertHashes: ['0'.repeat(64)] })
      assert.equal(error.code, 'pin-mismatch')
      assert.match(
        error.message,
        new RegExp(`^127.0.0.1:${port} refused the connection.*; by way of ${cluster.endpoint}: no pin matches`),
      )
      assert.equal(error.retryable, true)
    })

    it('says by way of which of them it came to a server that fails', async () => {
      const [dead = 0] = await freePorts(1)
      const door = await start({ respond: () => forged(kubeconfig(`https://127.0.0.1:${dead}`, door.caPem)) })
      const other = await start()
      other.patchClusterInfo(() => undefined)
      const error = await failure([door.endpoint, other.endpoint])
      const parts = error.message.split('; ')
      assert.equal(parts.length, 2)
      assert.ok(parts[0]?.startsWith(`by way of ${door.endpoint}: 127.0.0.1:${dead} `), error.message)
      assert.ok(parts[1]?.startsWith(`${other.endpoint} answered 404`), error.message)
    })

    it('goes on until the deadline where one of them may only be slow to sign', async () => {
      const [cluster, unsigned] = [await start(), await start()]
      unsigned.deleteToken(TOKEN_ID)
      const error = await failure([cluster.endpoint, unsigned.endpoint], { caCertHashes: ['0'.repeat(64)] })
      assert.deepEqual([error.code, error.retryable], ['pin-mismatch', 'until-deadline'])
    })
  })
})
