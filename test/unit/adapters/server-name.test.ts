import assert from 'node:assert/strict'
import type { PeerCertificate } from 'node:tls'
import { checkServerName } from '../../../src/adapters/server-name.ts'

const certificate = (subjectaltname: string | undefined): PeerCertificate =>
  ({ subject: { CN: 'worker.example.com' }, subjectaltname }) as PeerCertificate

describe('the name of a server', () => {
  it('is in its subjectAltName', () => {
    assert.equal(checkServerName('worker.example.com', certificate('DNS:worker.example.com')), undefined)
  })

  it('is enough for a certificate without a subject', () => {
    const { subjectaltname } = certificate('DNS:worker.example.com')
    assert.equal(checkServerName('worker.example.com', { subjectaltname } as PeerCertificate), undefined)
  })

  for (const [what, organizations] of [
    ['its own', 'system:nodes'],
    ['one of several', ['example.com', 'system:nodes']],
  ] as const)
    it(`does not help a node, where that organization is ${what}`, () => {
      const { subjectaltname } = certificate('DNS:worker.example.com')
      const subject = { CN: 'system:node:worker', O: organizations }
      const ofNode = { subject, subjectaltname } as unknown as PeerCertificate
      const error = checkServerName('worker.example.com', ofNode)
      assert.equal(error?.code, 'server-is-a-node')
      assert.match(error.message, /system:node:worker/)
    })

  // Node would take the common name in place of the first five, and throw for the last.
  for (const [what, names, told] of [
    ['there is no subjectAltName', undefined, /has no subjectAltName$/],
    ['the subjectAltName is empty', '', /has no subjectAltName$/],
    ['it is of addresses alone', 'IP Address:10.0.0.1', /is for IP Address:10\.0\.0\.1$/],
    ['it is of an e-mail address alone', 'email:worker@example.com', /is for email:/],
    ['it is of a URI alone', 'URI:spiffe://example.com/worker', /is for URI:/],
    ['it is for another name', 'DNS:other.example.com', /is for DNS:/],
    ['the subjectAltName cannot be read', 'DNS:"unclosed', /is for DNS:/],
  ] as const)
    it(`is not proven where ${what}`, () => {
      const error = checkServerName('worker.example.com', certificate(names))
      assert.equal(error?.code, 'server-name-mismatch')
      assert.match(error.message, told)
    })
})
