import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  usagesFor,
  isSameRequest,
  parseRequestObject,
  parseWatchEvent,
  requestObject,
} from '../../../src/kube/certificate-signing-request.ts'

const desired = {
  name: 'node-csr-x',
  request: '-----BEGIN CERTIFICATE REQUEST-----\nYQ==\n-----END CERTIFICATE REQUEST-----\n',
  signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
  usages: usagesFor('client auth', false),
  expirationSeconds: 600,
}
const metadata = { name: 'n', uid: 'u', resourceVersion: '7', creationTimestamp: '2026-01-01T00:00:00Z' }
const csr = (status?: unknown) => ({
  apiVersion: 'certificates.k8s.io/v1',
  kind: 'CertificateSigningRequest',
  metadata,
  status,
})
const encoded = (text: string): string => Buffer.from(text).toString('base64')

describe('the CertificateSigningRequest to create', () => {
  it('has the five fields that Kubernetes wants, and no more', () => {
    assert.deepEqual(requestObject(desired), {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name: 'node-csr-x' },
      spec: {
        request: encoded(desired.request),
        signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
        usages: ['digital signature', 'client auth'],
        expirationSeconds: 600,
      },
    })
    assert.doesNotMatch(JSON.stringify(requestObject({ ...desired, expirationSeconds: undefined })), /expiration/)
  })

  it('asks for key encipherment where it must', () => {
    assert.deepEqual(usagesFor('client auth', true), ['key encipherment', 'digital signature', 'client auth'])
  })
})

describe('what became of a request', () => {
  const outcomeOf = (status: unknown) => parseRequestObject(csr(status))?.outcome
  const all = ['Approved', 'Denied', 'Failed'] as const

  it('is no approval as long as nobody has given one', () => {
    assert.equal(parseRequestObject(csr({ conditions: [{ type: 'Denied' }] }))?.approval, undefined)
  })

  for (let bits = 0; bits < 16; bits += 1) {
    const types = all.filter((_type, index) => (bits & (1 << index)) !== 0)
    const certificate = (bits & 8) === 0 ? undefined : encoded('PEM')
    const expected = types.includes('Denied')
      ? 'denied'
      : types.includes('Failed')
        ? 'failed'
        : types.includes('Approved')
          ? certificate === undefined
            ? 'approved'
            : 'issued'
          : 'pending'
    it(`is ${expected} with ${types.join(' and ') || 'no condition'} and ${certificate === undefined ? 'no' : 'a'} certificate`, () => {
      const conditions = types.map((type) => ({ type, status: 'True', reason: 'r', message: 'm' }))
      for (const ordered of [conditions, conditions.toReversed()])
        assert.equal(outcomeOf({ conditions: ordered, certificate })?.kind, expected)
    })
  }

  it('is not what a condition says whose status is not True; one without a status is of old', () => {
    for (const status of ['False', 'Unknown', ''])
      assert.deepEqual(outcomeOf({ conditions: [{ type: 'Denied', status }] }), { kind: 'pending' })
    assert.equal(outcomeOf({ conditions: [{ type: 'Approved' }] })?.kind, 'approved')
  })

  it('is pending without a status, and with one of another shape', () => {
    for (const status of [undefined, null, {}, { conditions: {} }, { conditions: [null, 'Approved', 1] }, []])
      assert.deepEqual(outcomeOf(status), { kind: 'pending' })
  })

  it('carries the certificate, and the words of a refusal on one line', () => {
    assert.deepEqual(outcomeOf({ conditions: [{ type: 'Approved' }], certificate: encoded('PEM') }), {
      kind: 'issued',
      certificate: 'PEM',
    })
    assert.deepEqual(outcomeOf({ conditions: [{ type: 'Approved' }], certificate: '' }), { kind: 'approved' })
    assert.deepEqual(
      outcomeOf({ conditions: [{ type: 'Denied', reason: 'a\nb', message: `\u001b${'x'.repeat(500)}` }] }),
      {
        kind: 'denied',
        reason: 'a b',
        message: `${'x'.repeat(299)}…`,
      },
    )
    assert.deepEqual(outcomeOf({ conditions: [{ type: 'Failed' }] }), { kind: 'failed', reason: '', message: '' })
  })

  it('is of no object that is another, or lacks what identifies it', () => {
    assert.equal(parseRequestObject(csr())?.createdAtMs, Date.UTC(2026, 0))
    for (const other of [
      undefined,
      { ...csr(), kind: 'Pod' },
      { ...csr(), apiVersion: 'certificates.k8s.io/v1beta1' },
      ...(['name', 'uid', 'resourceVersion'] as const).map((field) => ({
        ...csr(),
        metadata: { ...metadata, [field]: undefined },
      })),
    ])
      assert.equal(parseRequestObject(other), undefined)
  })

  it('is found without an exception in any JSON', () => {
    const status = fc.record({ conditions: fc.jsonValue(), certificate: fc.jsonValue() }, { requiredKeys: [] })
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), status.map(csr)), (value) => {
        parseRequestObject(value)
        parseWatchEvent(value)
        isSameRequest(value, desired)
      }),
    )
  })
})

describe('a request of our name that is there already', () => {
  const there = requestObject(desired) as { spec: Record<string, unknown> }
  const changed = (change: Record<string, unknown>) => ({ ...there, spec: { ...there.spec, ...change } })
  for (const [name, object, same] of [
    ['as we would ask', there, true],
    ['with usages in another order', changed({ usages: ['client auth', 'digital signature'] }), true],
    ['with what the server adds', changed({ username: 'system:bootstrap:abcdef', groups: [], uid: '' }), true],
    ['without a lifetime, as an old server drops it', changed({ expirationSeconds: undefined }), true],
    ['without the last line break', changed({ request: encoded(desired.request.trim()) }), true],
    ['with another key', changed({ request: encoded(desired.request.replace('YQ', 'Yg')) }), false],
    ['with another signer', changed({ signerName: 'kubernetes.io/kubelet-serving' }), false],
    ['with a usage more', changed({ usages: [...desired.usages, 'server auth'] }), false],
    ['with a usage less', changed({ usages: ['client auth'] }), false],
    ['with one usage twice', changed({ usages: ['client auth', 'client auth'] }), false],
    ['with no usages', changed({ usages: undefined }), false],
    ['with nothing', {}, false],
    ['that is nothing', undefined, false],
  ] as const)
    it(`${name} is ${same ? '' : 'not '}ours`, () => {
      assert.equal(isSameRequest(object, desired), same)
    })
})

describe('a watch event', () => {
  const object = csr()
  for (const [name, value, expected] of [
    ['added', { type: 'ADDED', object }, { kind: 'changed', object }],
    ['modified', { type: 'MODIFIED', object }, { kind: 'changed', object }],
    ['deleted', { type: 'DELETED', object }, { kind: 'deleted', object }],
    ['bookmark', { type: 'BOOKMARK', object }, { kind: 'bookmark', resourceVersion: '7' }],
    ['error', { type: 'ERROR', object: { code: 410, message: 'old\n' } }, { kind: 'error', code: 410, message: 'old' }],
    ['error without words', { type: 'ERROR' }, { kind: 'error', code: 0, message: '' }],
    ['unknown', { type: 'WOBBLED', object }, undefined],
    ['untyped', { object }, undefined],
    ['null', null, undefined],
  ] as const)
    it(`that is ${name} is read as such`, () => {
      assert.deepEqual(parseWatchEvent(value), expected)
    })
})
