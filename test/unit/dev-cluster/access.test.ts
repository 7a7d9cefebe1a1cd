import assert from 'node:assert/strict'
import { createCertificateAuthority, type IssuedIdentity } from '../../../src/dev-cluster/certificate-authority.ts'
import { type DevCluster, startDevCluster } from '../../../src/dev-cluster/dev-cluster.ts'
import { ask, CLUSTER_INFO, type ClientRequest, CSRS } from './client.ts'

const status401 = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: 'Unauthorized',
  reason: 'Unauthorized',
  code: 401,
}

const csrTarget = (verb: string, user: string, name?: string): string =>
  `certificatesigningrequests.certificates.k8s.io ${name === undefined ? '' : `"${name}" `}is forbidden: User "${user}" cannot ${verb} resource "certificatesigningrequests" in API group "certificates.k8s.io" at the cluster scope`

describe('dev cluster: authentication and authorization', () => {
  let nowMs = Date.now()
  let cluster: DevCluster
  let token: string
  let node: IssuedIdentity

  before(async () => {
    cluster = await startDevCluster({ clock: { nowMs: () => nowMs } })
    token = cluster.createToken({ id: 'abcdef' })
    node = cluster.ca.issue({
      commonName: 'system:node:worker-1',
      organizations: ['system:nodes'],
      extendedKeyUsages: ['clientAuth'],
    })
  })
  after(() => cluster.stop())

  const identify = async (request: Omit<ClientRequest, 'path'>): Promise<string | undefined> => {
    await ask(cluster, { ...request, path: '/version' })
    return cluster.requests.at(-1)?.user
  }

  it('knows tokens, certificates and nobody by name', async () => {
    assert.equal(await identify({}), 'system:anonymous')
    assert.equal(await identify({ token }), 'system:bootstrap:abcdef')
    assert.equal(await identify({ identity: node }), 'system:node:worker-1')
    assert.equal(await identify({ headers: { authorization: `bearer ${token} x` } }), 'system:bootstrap:abcdef')
    assert.equal(await identify({ headers: { authorization: 'Basic eDp5' } }), 'system:anonymous')
  })

  it('refuses a wrong token even where anonymous may read', async () => {
    for (const wrong of [`${token.slice(0, -1)}_`, 'abcdef.0000000000000000', 'zzzzzz.0000000000000000', 'x']) {
      const answer = await ask(cluster, { path: CLUSTER_INFO, token: wrong })
      assert.deepEqual([answer.status, answer.json], [401, status401])
    }
  })

  it('refuses a token that may only sign', async () => {
    const signing = cluster.createToken({ usageAuthentication: false })
    assert.equal((await ask(cluster, { path: '/version', token: signing })).status, 401)
  })

  it('takes a good token beside a bad certificate, and a good certificate beside a bad token', async () => {
    const stranger = createCertificateAuthority().issue({ commonName: 'x', extendedKeyUsages: ['clientAuth'] })
    assert.equal(await identify({ identity: stranger, token }), 'system:bootstrap:abcdef')
    assert.equal(await identify({ identity: node, token: 'wrong' }), 'system:node:worker-1')
  })

  const badCertificates: [string, () => IssuedIdentity][] = [
    ['of another CA', () => createCertificateAuthority().issue({ commonName: 'x', extendedKeyUsages: ['clientAuth'] })],
    ['for servers only', () => cluster.ca.issue({ commonName: 'x', extendedKeyUsages: ['serverAuth'] })],
    ['that has expired', () => cluster.ca.issue({ commonName: 'x', notAfterMs: nowMs - 1000 })],
    ['that is not valid yet', () => cluster.ca.issue({ commonName: 'x', notBeforeMs: nowMs + 60_000 })],
  ]
  for (const [what, issue] of badCertificates)
    it(`refuses a client certificate ${what}`, async () => {
      const answer = await ask(cluster, { path: '/version', identity: issue() })
      assert.deepEqual([answer.status, answer.json], [401, status401])
      assert.equal(cluster.requests.at(-1)?.hasClientCertificate, true)
    })

  it('takes a client certificate of an intermediate that is sent along', async () => {
    const intermediate = createCertificateAuthority({ parent: cluster.ca, commonName: 'intermediate' })
    const leaf = intermediate.issue({ commonName: 'via', extendedKeyUsages: ['clientAuth'] })
    assert.equal(
      await identify({ identity: { ...leaf, certificatePem: leaf.certificatePem + intermediate.certificatePem } }),
      'via',
    )
    assert.equal((await ask(cluster, { path: '/version', identity: leaf })).status, 401)
  })

  it('takes no client certificate of a certificate that is no CA', async () => {
    const notCa = createCertificateAuthority({
      parent: cluster.ca,
      commonName: 'leaf',
      isCertificateAuthority: false,
      keyUsages: ['keyCertSign'],
    })
    const forged = notCa.issue({
      commonName: 'x',
      organizations: ['system:masters'],
      extendedKeyUsages: ['clientAuth'],
    })
    const identity = { ...forged, certificatePem: forged.certificatePem + notCa.certificatePem }
    assert.equal((await ask(cluster, { path: '/version', identity })).status, 401)
  })

  it('refuses everybody without credentials when anonymous access is off', async () => {
    const closed = await startDevCluster({ anonymousAccess: false })
    try {
      const admin = closed.adminIdentity
      for (const path of ['/version', '/readyz', CLUSTER_INFO])
        assert.deepEqual((await ask(closed, path)).json, status401)
      assert.equal((await ask(closed, { path: CLUSTER_INFO, identity: admin })).status, 200)
    } finally {
      await closed.stop()
    }
  })

  it('ends a token and its signature at the moment of expiry', async () => {
    const short = cluster.createToken({ id: 'shortl', expiresAtMs: nowMs + 1000 })
    assert.equal((await ask(cluster, { path: '/version', token: short })).status, 200)
    nowMs += 999
    assert.equal('jws-kubeconfig-shortl' in (await ask(cluster, CLUSTER_INFO)).configMap.data, true)
    nowMs += 1
    assert.equal((await ask(cluster, { path: '/version', token: short })).status, 401)
    assert.deepEqual(
      Object.keys((await ask(cluster, CLUSTER_INFO)).configMap.data).filter((key) => key.endsWith('shortl')),
      [],
    )
  })

  const anonymous = 'system:anonymous'
  const bootstrap = 'system:bootstrap:abcdef'
  const worker = 'system:node:worker-1'
  const nodes = (user: string, name: string): string =>
    `nodes "${name}" is forbidden: User "${user}" cannot get resource "nodes" in API group "" at the cluster scope`
  const rows: [string, () => ClientRequest, number, string | undefined][] = [
    ['anonymous reads cluster-info', () => ({ path: CLUSTER_INFO }), 200, undefined],
    ['anonymous reads /version', () => ({ path: '/version' }), 200, undefined],
    ['anonymous reads /readyz', () => ({ path: '/readyz' }), 200, undefined],
    ['anonymous reads /livez', () => ({ path: '/livez' }), 200, undefined],
    ['anonymous may not list requests', () => ({ path: CSRS }), 403, csrTarget('list', anonymous)],
    [
      'anonymous may not watch one request',
      () => ({ path: `${CSRS}?watch=true&fieldSelector=metadata.name%3Dx` }),
      403,
      csrTarget('watch', anonymous, 'x'),
    ],
    ['anonymous may not create', () => ({ method: 'POST', path: CSRS, body: {} }), 403, csrTarget('create', anonymous)],
    [
      'anonymous may not read another ConfigMap',
      () => ({ path: '/api/v1/namespaces/kube-public/configmaps/other' }),
      403,
      `configmaps "other" is forbidden: User "${anonymous}" cannot get resource "configmaps" in API group "" in the namespace "kube-public"`,
    ],
    [
      'anonymous may not look around',
      () => ({ path: '/foo' }),
      403,
      `forbidden: User "${anonymous}" cannot get path "/foo"`,
    ],
    ['anonymous may not read a node', () => ({ path: '/api/v1/nodes/x' }), 403, nodes(anonymous, 'x')],
    ['a bootstrapper lists requests', () => ({ path: CSRS, token }), 200, undefined],
    ['a bootstrapper reads any node', () => ({ path: '/api/v1/nodes/x', token }), 404, 'nodes "x" not found'],
    [
      'a bootstrapper may not delete requests',
      () => ({ method: 'DELETE', path: `${CSRS}/x`, token }),
      403,
      csrTarget('delete', bootstrap, 'x'),
    ],
    [
      'a bootstrapper may not approve',
      () => ({ method: 'PUT', path: `${CSRS}/x/approval`, token, body: {} }),
      403,
      `certificatesigningrequests.certificates.k8s.io "x" is forbidden: User "${bootstrap}" cannot update resource "certificatesigningrequests/approval" in API group "certificates.k8s.io" at the cluster scope`,
    ],
    [
      'a node finds no Node object of its own yet',
      () => ({ path: '/api/v1/nodes/worker-1', identity: node }),
      404,
      'nodes "worker-1" not found',
    ],
    [
      'a node may not read another',
      () => ({ path: '/api/v1/nodes/worker-2', identity: node }),
      403,
      `${nodes(worker, 'worker-2')}: node 'worker-1' cannot read 'worker-2', only its own Node object`,
    ],
    [
      'a node may not read cluster-info',
      () => ({ path: CLUSTER_INFO, identity: node }),
      403,
      `configmaps "cluster-info" is forbidden: User "${worker}" cannot get resource "configmaps" in API group "" in the namespace "kube-public": no relationship found between node 'worker-1' and this object`,
    ],
    [
      'a bootstrapper may not read cluster-info, which only anonymous is bound to',
      () => ({ path: CLUSTER_INFO, token }),
      403,
      `configmaps "cluster-info" is forbidden: User "${bootstrap}" cannot get resource "configmaps" in API group "" in the namespace "kube-public"`,
    ],
    ['a node reads requests', () => ({ path: CSRS, identity: node }), 200, undefined],
    [
      'an administrator finds what is not there',
      () => ({ path: `${CSRS}/x`, identity: cluster.adminIdentity }),
      404,
      'certificatesigningrequests.certificates.k8s.io "x" not found',
    ],
    [
      'an unknown resource is not found',
      () => ({ path: '/api/v1/foo', identity: cluster.adminIdentity }),
      404,
      'the server could not find the requested resource',
    ],
    [
      'a method that a resource has not is refused',
      () => ({ method: 'PUT', path: CSRS, identity: cluster.adminIdentity }),
      405,
      'the server does not allow this method on the requested resource',
    ],
    [
      'an answer that is not JSON cannot be had',
      () => ({ path: CSRS, token, headers: { accept: 'text/html' } }),
      406,
      '406: Not Acceptable',
    ],
  ]
  for (const [sentence, request, status, message] of rows)
    it(sentence, async () => {
      const answer = await ask(cluster, request())
      assert.equal(answer.status, status)
      if (message === undefined) return
      const { kind, apiVersion, metadata, code } = answer.failure
      assert.equal(answer.failure.message, message)
      assert.deepEqual(
        [kind, apiVersion, metadata, answer.failure.status, code],
        ['Status', 'v1', {}, 'Failure', status],
      )
    })

  it('never keeps a credential in its request log', () => {
    assert.equal(JSON.stringify(cluster.requests).includes(token.slice(7)), false)
  })
})
