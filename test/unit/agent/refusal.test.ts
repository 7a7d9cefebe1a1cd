import assert from 'node:assert/strict'
import { refusalError } from '../../../src/agent/refusal.ts'
import { EXIT } from '../../../src/lib/error-codes.ts'
import { NOW_MS, refusalAt } from './fixtures.ts'

describe('refusalError', () => {
  it('says of a denial which request, by which reason and with which words', () => {
    const error = refusalError(refusalAt(NOW_MS, 'denied'))
    assert.equal(error.code, 'csr-denied')
    assert.equal(error.message, 'node-csr-example was denied: KubectlDeny: not this machine')
    assert.equal(error.exitStatus, EXIT.refused)
  })

  it('tells a signer that failed from an approver that denied', () => {
    const error = refusalError(refusalAt(NOW_MS, 'failed'))
    assert.equal(error.code, 'csr-failed')
    assert.equal(error.message, 'node-csr-example was failed by its signer: KubectlDeny: not this machine')
  })

  it('says of an unusable certificate only what is wrong with it', () => {
    const error = refusalError(refusalAt(NOW_MS, 'unusable'))
    assert.equal(error.code, 'certificate-wrong')
    assert.equal(error.message, 'not this machine')
  })

  it('says of a certificate that cannot be read that it is malformed', () => {
    const refusal = { ...refusalAt(NOW_MS, 'unusable'), reason: 'certificate-malformed' }
    assert.equal(refusalError(refusal).code, 'certificate-malformed')
  })

  it('is never one that is tried again by itself', () => {
    for (const kind of ['denied', 'failed', 'unusable'] as const)
      assert.equal(refusalError(refusalAt(NOW_MS, kind)).retryable, false)
  })
})
