import assert from 'node:assert/strict'
import { rotationDeadline, rotationFraction } from '../../../src/agent/rotation.ts'
import { distinguishedName } from '../../../src/dev-cluster/x509-extensions.ts'
import { integer, sequence, time, toDer } from '../../../src/pki/der-write.ts'
import { sha256Hex } from '../../../src/pki/private-key.ts'
import type { CertificatePair } from '../../../src/store/certificate-pair.ts'
import { tellFigures } from '../../harness/figures.ts'
import { DAY_MS, MINUTE_MS, newAuthority, NOW_MS, pairFrom } from './fixtures.ts'

const WINDOW = [0.7, 0.9] as const
const pair = pairFrom(newAuthority())

const BEGINNING = 0.7
const TENTH = 0.02

/**
 * The fingerprint of a fleet's certificate as far as one differs from another: SHA-256 of the DER of its serial number,
 * validity and subject. Key and signature are left out, which are random: so the figures are the same in every run.
 */
function fingerprintOf(node: number): string {
  const serialNumber = Buffer.alloc(4)
  serialNumber.writeUInt32BE(node)
  return sha256Hex(
    toDer(
      sequence(
        integer(serialNumber),
        sequence(time(NOW_MS), time(NOW_MS + DAY_MS)),
        distinguishedName(`system:node:worker-${node}`, ['system:nodes']),
      ),
    ),
  )
}

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
      const deadlineMs = rotationDeadline(pairWith({ fingerprint: fingerprintOf(node) }), WINDOW)
      const share = (deadlineMs - NOW_MS) / DAY_MS
      assert.ok(share >= 0.7 && share < 0.9, String(share))
      const tenth = Math.floor((share - BEGINNING) / TENTH)
      counts[tenth] = (counts[tenth] ?? 0) + 1
    }
    const table = counts.map((count, index) => `${(BEGINNING + index * TENTH).toFixed(2)}–: ${count}`).join('  ')
    tellFigures(
      `10,000 certificates, by their DER without key and signature, renewed at a share of their lifetime of ${table}`,
    )
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
