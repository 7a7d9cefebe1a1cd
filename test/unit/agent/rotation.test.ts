import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { rotationDeadline, rotationFraction } from '../../../src/agent/rotation.ts'
import type { CertificatePair } from '../../../src/store/certificate-pair.ts'
import { DAY_MS, MINUTE_MS, newAuthority, NOW_MS, pairFrom } from './fixtures.ts'

const WINDOW = [0.7, 0.9] as const
const pair = pairFrom(newAuthority())

const fingerprintOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Only what the deadline depends on differs from a real pair. */
const pairWith = (certificate: Partial<CertificatePair['certificate']>, writtenAtMs = NOW_MS): CertificatePair => ({
  ...pair,
  certificate: { ...pair.certificate, ...certificate },
  writtenAtMs,
})

describe('rotationFraction', () => {
  it('reaches from 0 to just below 1', () => {
    assert.equal(rotationFraction('0'.repeat(64)), 0)
    assert.equal(rotationFraction(`8${'0'.repeat(63)}`), 0.5)
    assert.ok(rotationFraction('f'.repeat(64)) < 1)
    assert.ok(rotationFraction('f'.repeat(64)) > 0.999_999)
  })
})

describe('rotationDeadline', () => {
  it('is the same for the same certificate, whenever and by whomever it is asked', () => {
    const deadlines = [pair, { ...pair }, pairWith({}, NOW_MS + 60 * DAY_MS), pairWith({}, NOW_MS - DAY_MS)].map(
      (each) => rotationDeadline(each, WINDOW),
    )
    assert.deepEqual(new Set(deadlines).size, 1)
  })

  it('lies where the fingerprint says within the window', () => {
    for (const [digit, share] of [
      ['0', 0.7],
      ['8', 0.8],
      ['c', 0.85],
    ] as const) {
      const deadlineMs = rotationDeadline(pairWith({ fingerprint: digit + '0'.repeat(63) }), WINDOW)
      assert.ok(Math.abs(deadlineMs - (NOW_MS + share * DAY_MS)) < 1, `${digit}: ${deadlineMs - NOW_MS}`)
    }
  })

  it('spreads a fleet of ten thousand over the window, evenly and never outside', () => {
    const counts = Array.from({ length: 10 }, () => 0)
    for (let node = 0; node < 10_000; node += 1) {
      const deadlineMs = rotationDeadline(pairWith({ fingerprint: fingerprintOf(`node ${node}`) }), WINDOW)
      const share = (deadlineMs - NOW_MS) / DAY_MS
      assert.ok(share >= 0.7 && share < 0.9, String(share))
      const tenth = Math.floor((share - 0.7) / 0.02)
      counts[tenth] = (counts[tenth] ?? 0) + 1
    }
    // 1000 are expected in each, with a standard deviation of 30; the fingerprints are always the same ones.
    for (const count of counts) assert.ok(count > 850 && count < 1150, counts.join(' '))
  })

  it('follows another window at once', () => {
    const fingerprint = '0'.repeat(64)
    assert.equal(rotationDeadline(pairWith({ fingerprint }), [0.25, 0.75]), NOW_MS + DAY_MS / 4)
  })

  const backDated = {
    notBeforeMs: NOW_MS - 5 * MINUTE_MS,
    notAfterMs: NOW_MS + 10 * MINUTE_MS,
    fingerprint: '0'.repeat(64),
  }

  it('counts from the writing of a short certificate whose back-dating alone would make it due', () => {
    assert.equal(rotationDeadline(pairWith(backDated), [0.01, 0.02]), NOW_MS + 0.01 * 10 * MINUTE_MS)
  })

  it('counts from notBefore where that lies after the writing', () => {
    assert.equal(rotationDeadline(pairWith(backDated), [0.7, 0.9]), NOW_MS - 5 * MINUTE_MS + 0.7 * 15 * MINUTE_MS)
  })

  it('is not put off by a file that was written after the certificate had expired', () => {
    const deadlineMs = rotationDeadline(pairWith(backDated, NOW_MS + 20 * MINUTE_MS), [0.7, 0.9])
    assert.equal(deadlineMs, NOW_MS - 5 * MINUTE_MS + 0.7 * 15 * MINUTE_MS)
  })

  it('lies before the end of the certificate, whatever the window and the time of writing', () => {
    for (const writtenAtMs of [NOW_MS - DAY_MS, NOW_MS, NOW_MS + 9 * MINUTE_MS, NOW_MS + DAY_MS])
      for (const window of [
        [0.01, 0.02],
        [0.7, 0.9],
        [0.98, 0.99],
      ] as const) {
        const deadlineMs = rotationDeadline(
          pairWith({ ...backDated, fingerprint: 'f'.repeat(64) }, writtenAtMs),
          window,
        )
        assert.ok(deadlineMs < backDated.notAfterMs && deadlineMs > backDated.notBeforeMs)
      }
  })
})
