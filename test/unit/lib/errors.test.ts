import assert from 'node:assert/strict'
import { errorCodes, EXIT, type ErrorCode } from '../../../src/lib/error-codes.ts'
import { asBootstrapError, BootstrapError } from '../../../src/lib/errors.ts'

describe('the error codes', () => {
  for (const [code, facts] of Object.entries(errorCodes))
    it(`${code} says what to do next, how to exit and whether to go on`, () => {
      assert.match(facts.hint, /^[^A-Z].{8,}[^.]$/)
      assert(Object.values(EXIT).includes(facts.exit) && facts.exit !== EXIT.ok)
      assert([true, false, 'until-deadline'].includes(facts.retryable))
      const error = new BootstrapError(code as ErrorCode, 'seen')
      assert.deepEqual([error.hint, error.exitStatus, error.retryable], [facts.hint, facts.exit, facts.retryable])
    })

  it('exit by sysexits(3), and by 1 never', () => {
    assert.deepEqual(EXIT, {
      ok: 0,
      usage: 64,
      unavailable: 69,
      software: 70,
      storage: 74,
      temporary: 75,
      protocol: 76,
      refused: 77,
      config: 78,
    })
  })
})

describe('BootstrapError', () => {
  it('lets a case know better than its code', () => {
    const cause = new Error('below')
    const error = new BootstrapError('forbidden', 'seen', { hint: 'do', retryable: false, retryAfterMs: 5, cause })
    assert.deepEqual([error.hint, error.retryable, error.retryAfterMs, error.cause], ['do', false, 5, cause])
    assert(!('cause' in new BootstrapError('forbidden', 'seen')))
  })

  it('is left as it is, and made of anything else as a defect', () => {
    const error = new BootstrapError('forbidden', 'seen')
    assert.equal(asBootstrapError(error), error)
    const defect = new TypeError('undefined is no function')
    const wrapped = asBootstrapError(defect)
    assert.deepEqual([wrapped.code, wrapped.message, wrapped.cause], ['internal', defect.message, defect])
    assert.equal(asBootstrapError('text').message, 'something that is no Error was thrown')
  })
})
