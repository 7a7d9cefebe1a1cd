import assert from 'node:assert/strict'
import { isTransient, refusedRenewalPauseMs, retryDelayMs, type Failure } from '../../../src/agent/backoff.ts'
import type { ErrorCode } from '../../../src/lib/error-codes.ts'
import { BootstrapError, type ErrorDetails } from '../../../src/lib/errors.ts'
import { MINUTE_MS } from './fixtures.ts'

const FLOOR_MS = 200
const ALMOST_ONE = 1 - 2 ** -48

function failure(code: ErrorCode, count = 1, overrides: Partial<Failure> & ErrorDetails = {}): Failure {
  const { elapsedMs = 0, attemptMs = 5 * MINUTE_MS, ...details } = overrides
  return { error: new BootstrapError(code, 'it failed', details), count, elapsedMs, attemptMs }
}

describe('isTransient', () => {
  it('is what the code says', () => {
    assert.equal(isTransient(failure('unreachable')), true)
    assert.equal(isTransient(failure('pin-mismatch')), false)
  })

  it('is so only until the deadline for what may lag', () => {
    assert.equal(isTransient(failure('token-unknown', 9, { elapsedMs: 5 * MINUTE_MS - 1 })), true)
    assert.equal(isTransient(failure('token-unknown', 9, { elapsedMs: 5 * MINUTE_MS })), false)
    assert.equal(isTransient(failure('signature-mismatch', 9, { elapsedMs: 1001, attemptMs: 1000 })), false)
  })

  it('has no deadline for what may heal at any time', () => {
    assert.equal(isTransient(failure('unreachable', 9, { elapsedMs: Infinity })), true)
  })
})

describe('retryDelayMs', () => {
  it('doubles its ceiling from a second to two minutes, with full jitter above the floor', () => {
    const ceilings = [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 120_000, 120_000]
    for (const [index, ceilingMs] of ceilings.entries()) {
      const series = failure('unreachable', index + 1)
      assert.equal(retryDelayMs(series, 0), FLOOR_MS)
      assert.equal(retryDelayMs(series, 0.5), FLOOR_MS + (ceilingMs - FLOOR_MS) / 2)
      assert.ok(Math.abs(retryDelayMs(series, ALMOST_ONE) - ceilingMs) < 1)
    }
  })

  it('stays at two minutes however long the series', () => {
    for (const count of [21, 100, 10_000, Number.MAX_SAFE_INTEGER])
      assert.ok(retryDelayMs(failure('unreachable', count), ALMOST_ONE) <= 2 * MINUTE_MS)
  })

  it('never comes sooner than Retry-After, and never all at the same moment after it', () => {
    const patience = failure('throttled', 1, { retryAfterMs: 30_000 })
    assert.equal(retryDelayMs(patience, 0), 30_000 + FLOOR_MS)
    assert.ok(Math.abs(retryDelayMs(patience, ALMOST_ONE) - 31_000) < 1)
  })

  it('looks every five seconds at most for what lags, within the attempt', () => {
    for (const count of [1, 2, 3, 4, 10]) assert.ok(retryDelayMs(failure('token-unknown', count), ALMOST_ONE) <= 5000)
    assert.ok(retryDelayMs(failure('token-unknown', 10), ALMOST_ONE) > 4999)
  })

  it('looks again only after some ten minutes at what a person must mend', () => {
    for (const held of [failure('pin-mismatch'), failure('token-unknown', 50, { elapsedMs: 5 * MINUTE_MS })]) {
      assert.equal(retryDelayMs(held, 0), 7.5 * MINUTE_MS)
      assert.ok(Math.abs(retryDelayMs(held, ALMOST_ONE) - 12.5 * MINUTE_MS) < 1)
    }
  })
})

describe('refusedRenewalPauseMs', () => {
  it('doubles from a minute to an hour, and stays there however often a renewal is refused', () => {
    const minutes = [1, 2, 4, 8, 16, 32, 60, 60]
    assert.deepEqual(
      minutes.map((_, index) => refusedRenewalPauseMs(index + 1) / MINUTE_MS),
      minutes,
    )
    for (const count of [100, 10_000, Number.MAX_SAFE_INTEGER])
      assert.equal(refusedRenewalPauseMs(count), 60 * MINUTE_MS)
  })
})
