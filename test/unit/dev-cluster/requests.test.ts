import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { type DevCluster, startDevCluster } from '../../../src/dev-cluster/dev-cluster.ts'
import { type Answer, ask, type ClientRequest, csrObject, CSRS, watch } from './client.ts'
import { openssl, opensslCsr } from './openssl.ts'

const HOUR_MS = 3_600_000

describe('dev cluster: certificate signing requests', () => {
  const pem = opensslCsr()
  let nowMs = Date.now()
  let cluster: DevCluster
  let manual: DevCluster
  let token: string

  before(async () => {
    cluster = await startDevCluster({ clock: { nowMs: () => nowMs }, certificateDurationMs: 24 * HOUR_MS })
    manual = await startDevCluster({ approval: 'manual' })
    token = cluster.createToken({ id: 'abcdef' })
    manual.createToken({ id: 'abcdef', secret: token.slice(7) })
  })
  after(async () => {
    await cluster.stop()
    await manual.stop()
  })

  const create = (object: unknown, more: Partial<ClientRequest> = {}, where = cluster): Promise<Answer> =>
    ask(where, { method: 'POST', path: CSRS, token, body: object, ...more })

  /** Waits, by a watch, for the first state of a request that `isDone` accepts. */
  const settled = async (
    where: DevCluster,
    name: string,
    isDone: (type: string) => boolean,
  ): Promise<Answer['csr']> => {
    const path = `${CSRS}?watch=true&fieldSelector=metadata.name%3D${name}`
    const events = await watch(where, { path, identity: where.adminIdentity })
    for (;;) {
      const event = await events.next()
      assert.ok(event)
      const { conditions = [], certificate } = event.csr.status
      if (isDone(certificate === undefined ? (conditions.at(-1)?.type ?? 'Pending') : 'Issued')) {
        events.close()
        return event.csr
      }
    }
  }
  const issued = async (name: string): Promise<X509Certificate> => {
    const csr = await settled(cluster, name, (state) => state === 'Issued')
    return new X509Certificate(Buffer.from(csr.status.certificate ?? '', 'base64'))
  }

  it('fills what the server knows and keeps nothing that a client makes up', async () => {
    const object = csrObject(pem, 'filled', { username: 'admin', groups: ['system:masters'], expirationSeconds: 600 })
    const { status, csr } = await create({ ...object, status: { certificate: 'YQ==' } }, {}, manual)
    assert.equal(status, 201)
    assert.match(csr.metadata.uid, /^[0-9a-f-]{36}$/)
    assert.match(csr.metadata.resourceVersion, /^\d+$/)
    assert.match(csr.metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    assert.deepEqual(csr.spec, {
      request: Buffer.from(pem).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      expirationSeconds: 600,
      usages: ['digital signature', 'client auth'],
      username: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token', 'system:authenticated'],
    })
    assert.deepEqual(csr.status, {})
    assert.deepEqual((await ask(manual, { path: `${CSRS}/filled`, token })).csr, csr)
  })

  it('approves a bootstrapper by itself and issues what openssl verifies', async () => {
    assert.deepEqual((await create(csrObject(pem, 'joined'))).csr.status, {})
    const csr = await settled(cluster, 'joined', (state) => state === 'Issued')
    assert.deepEqual(
      csr.status.conditions?.map(({ type, status, reason, message }) => [type, status, reason, message]),
      [['Approved', 'True', 'AutoApproved', 'Auto approving kubelet client certificate after SubjectAccessReview.']],
    )
    const leaf = Buffer.from(csr.status.certificate ?? '', 'base64').toString()
    openssl(['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', 'ca.pem', 'leaf.pem'], {
      'ca.pem': cluster.caPem,
      'leaf.pem': leaf,
    })
    const text = openssl(['x509', '-in', 'leaf.pem', '-noout', '-subject', '-pubkey'], { 'leaf.pem': leaf })
    assert.match(text, /subject=O = system:nodes, CN = system:node:worker-1/)
    assert.equal(text.slice(text.indexOf('---')), openssl(['req', '-in', 'r', '-noout', '-pubkey'], { r: pem }))
  })

  it('back-dates by five minutes and bounds the lifetime by the signer and by expirationSeconds', async () => {
    nowMs = Math.floor(nowMs / 1000) * 1000
    const rows: [string, number | undefined, number][] = [
      ['whole', undefined, 24 * HOUR_MS - 300_000],
      ['long', 7 * 86_400, 24 * HOUR_MS - 300_000],
      ['short', 3600, HOUR_MS],
    ]
    for (const [name, expirationSeconds, lifetimeMs] of rows) {
      await create(csrObject(pem, name, expirationSeconds === undefined ? {} : { expirationSeconds }))
      const certificate = await issued(name)
      assert.equal(certificate.validFromDate.getTime(), nowMs - 300_000)
      assert.equal(certificate.validToDate.getTime(), nowMs + lifetimeMs)
    }
  })

  it('lets a node renew itself, and only itself', async () => {
    const identity = cluster.ca.issue({
      commonName: 'system:node:worker-1',
      organizations: ['system:nodes'],
      extendedKeyUsages: ['clientAuth'],
    })
    const asNode = { path: CSRS, method: 'POST', identity }
    const renewed = await ask(cluster, { ...asNode, body: csrObject(pem, 'renewed') })
    assert.equal(renewed.csr.spec.username, 'system:node:worker-1')
    await issued('renewed')
    assert.equal(
      cluster.getCertificateSigningRequest('renewed').status.conditions?.[0]?.message,
      'Auto approving self kubelet client certificate after SubjectAccessReview.',
    )
    const other = opensslCsr({ subject: '/O=system:nodes/CN=system:node:worker-2' })
    const answer = await ask(cluster, { ...asNode, body: csrObject(other, 'other') })
    assert.equal(answer.status, 403)
    assert.equal(
      answer.failure.message,
      'certificatesigningrequests.certificates.k8s.io "other" is forbidden: can only create a node CSR with CN=system:node:worker-1',
    )
  })

  it('leaves a serving request to an administrator, then signs it with its names', async () => {
    const serving = opensslCsr({ subjectAltName: 'DNS:worker-1,IP:10.0.0.1' })
    const spec = { signerName: 'kubernetes.io/kubelet-serving', usages: ['digital signature', 'server auth'] }
    await create(csrObject(serving, 'serving', spec))
    // A later request that is approved by itself shows that the approver has passed over this one.
    await create(csrObject(pem, 'after-serving'))
    await issued('after-serving')
    assert.deepEqual(cluster.getCertificateSigningRequest('serving').status, {})
    cluster.approve('serving')
    const certificate = await issued('serving')
    assert.equal(certificate.subjectAltName, 'DNS:worker-1, IP Address:10.0.0.1')
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  })

  it('fails what was approved and the signer cannot sign', async () => {
    await create(csrObject(opensslCsr({ subject: '/O=x/CN=system:node:w' }), 'wrong'), {}, manual)
    manual.approve('wrong')
    const failed = (await settled(manual, 'wrong', (state) => state === 'Failed')).status.conditions?.at(-1)
    assert.equal(failed?.reason, 'SignerValidationFailure')
    assert.equal(failed.message, 'subject organization is not system:nodes')
  })

  it('takes verdicts of an administrator over the API, once', async () => {
    await create(csrObject(pem, 'judged'), {}, manual)
    const verdict = async (type: string, changes: object = {}, truth = 'True'): Promise<Answer> => {
      const csr = manual.getCertificateSigningRequest('judged')
      const status = { conditions: [{ type, status: truth, reason: 'Lab', message: 'because' }] }
      const path = `${CSRS}/judged/approval`
      const body = { ...csr, status, metadata: { ...csr.metadata, ...changes } }
      return ask(manual, { method: 'PUT', path, identity: manual.adminIdentity, body })
    }
    assert.equal((await verdict('Denied', { resourceVersion: '1' })).failure.reason, 'Conflict')
    assert.match((await verdict('Denied', {}, 'False')).failure.message ?? '', /Unsupported value: "False"/)
    const denied = await verdict('Denied')
    assert.equal(denied.csr.status.conditions?.[0]?.reason, 'Lab')
    const swapped = await verdict('Approved')
    assert.equal(swapped.status, 422)
    assert.match(swapped.failure.message ?? '', /updates may not remove a condition of type "Denied"$/)
    assert.match((await verdict('Denied', { name: 'x' })).failure.message ?? '', /does not match the name on the URL/)
  })

  it('deletes for an administrator', async () => {
    await create(csrObject(pem, 'gone'), {}, manual)
    const request = { method: 'DELETE', path: `${CSRS}/gone`, identity: manual.adminIdentity }
    assert.equal((await ask(manual, request)).failure.status, 'Success')
    assert.equal((await ask(manual, request)).status, 404)
  })

  it('answers 409 to a name that is taken', async () => {
    await create(csrObject(pem, 'taken'))
    const { status, failure } = await create(csrObject(pem, 'taken'))
    assert.deepEqual(
      [status, failure.reason, failure.message, failure.details],
      [
        409,
        'AlreadyExists',
        'certificatesigningrequests.certificates.k8s.io "taken" already exists',
        { name: 'taken', group: 'certificates.k8s.io', kind: 'certificatesigningrequests' },
      ],
    )
  })

  it('makes a name from generateName', async () => {
    const object = { ...csrObject(pem, ''), metadata: { generateName: 'csr-' } }
    const names = [await create(object, {}, manual), await create(object, {}, manual)].map(
      ({ csr }) => csr.metadata.name,
    )
    for (const name of names) assert.match(name, /^csr-[b-df-hj-np-tv-z2456789]{5}$/)
    assert.notEqual(names[0], names[1])
  })

  it('stores nothing of a dry run', async () => {
    const dry = await create(csrObject(pem, 'dry'), { path: `${CSRS}?dryRun=All` })
    assert.deepEqual([dry.status, 'resourceVersion' in dry.csr.metadata], [201, false])
    const unknown = await create(csrObject(pem, 'dry'), { path: `${CSRS}?dryRun=x` })
    assert.deepEqual([unknown.status, unknown.failure.details?.kind], [422, 'CreateOptions'])
    assert.equal((await ask(cluster, { path: `${CSRS}/dry`, token })).status, 404)
  })

  const object = (changes: (spec: Record<string, unknown>) => Record<string, unknown>, name = 'bad'): unknown => {
    const base = csrObject(pem, name)
    return { ...base, spec: changes(base['spec'] as Record<string, unknown>) }
  }
  const invalid: [string, unknown, string][] = [
    ['no name', object((spec) => spec, ''), 'metadata.name: Required value: name or generateName is required'],
    ['a name with a slash', object((spec) => spec, 'a/b'), `metadata.name: Invalid value: "a/b": may not contain '/'`],
    ['no usages', object((spec) => ({ ...spec, usages: [] })), 'spec.usages: Required value: usages must be provided'],
    [
      'a repeated usage',
      object((spec) => ({ ...spec, usages: ['client auth', 'client auth'] })),
      'spec.usages[1]: Duplicate value: "client auth"',
    ],
    [
      'no signerName',
      object((spec) => ({ ...spec, signerName: '' })),
      'spec.signerName: Required value: signerName must be provided',
    ],
    [
      'a signerName without a path',
      object((spec) => ({ ...spec, signerName: 'foo' })),
      `spec.signerName: Invalid value: "foo": must be a fully qualified domain and path of the form 'example.com/signer-name'`,
    ],
    [
      'a signerName of one label',
      object((spec) => ({ ...spec, signerName: 'foo/bar' })),
      'spec.signerName: Invalid value: "foo": should be a domain with at least two segments separated by dots',
    ],
    [
      'a lifetime below ten minutes',
      object((spec) => ({ ...spec, expirationSeconds: 599 })),
      'spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)',
    ],
    [
      'no request',
      object((spec) => ({ ...spec, request: '' })),
      'spec.request: Invalid value: []byte(nil): PEM block type must be CERTIFICATE REQUEST',
    ],
  ]
  for (const [what, body, error] of invalid)
    it(`answers 422 to ${what}, with its cause`, async () => {
      const { status, failure } = await create(body)
      assert.equal(status, 422)
      assert.equal(failure.reason, 'Invalid')
      assert.ok(failure.message?.endsWith(`is invalid: ${error}`), failure.message)
      assert.equal(
        `${failure.details?.causes?.[0]?.field ?? ''}: ${failure.details?.causes?.[0]?.message ?? ''}`,
        error,
      )
    })

  const malformed: [string, Partial<ClientRequest>, number, RegExp][] = [
    ['a body that is no JSON', { body: '{' }, 400, /couldn't get version\/kind; json parse error/],
    ['an empty body', { body: '' }, 400, /\(<empty>\)$/],
    ['a list', { body: '[]' }, 400, /json parse error/],
    ['another kind', { body: { kind: 'Pod', apiVersion: 'v1' } }, 400, /no kind "Pod" is registered for version "v1"/],
    ['a field of the wrong type', { body: { spec: { request: 5 } } }, 400, /cannot unmarshal number/],
    ['a request that is no base64', { body: { spec: { request: '!!' } } }, 400, /illegal base64 data at input byte 0/],
    ['another media type', { body: 'x', headers: { 'content-type': 'text/plain' } }, 415, /unknown format/],
    ['an oversized body', { body: ' '.repeat(3_145_729) }, 413, /limit is 3145728$/],
  ]
  for (const [what, request, status, message] of malformed)
    it(`answers ${status} to ${what}`, async () => {
      const answer = await create(undefined, request)
      assert.equal(answer.status, status)
      assert.match(answer.failure.message ?? '', message)
    })
})
