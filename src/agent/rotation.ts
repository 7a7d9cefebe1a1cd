/** When a certificate is renewed: the same moment after every restart, and another for each certificate of a fleet. */
import type { CertificatePair } from '../store/certificate-pair.ts'

/** Uniform in [0, 1), from the certificate's own SHA-256 fingerprint. */
export const rotationFraction = (fingerprint: string): number => Number.parseInt(fingerprint.slice(0, 12), 16) / 2 ** 48

/**
 * Within `window` (fractions of the lifetime), in ms since the epoch. Signers back-date notBefore; where that alone
 * would put the deadline before the certificate was even written, its life is counted from when it was.
 */
export function rotationDeadline(
  pair: Pick<CertificatePair, 'certificate' | 'writtenAtMs'>,
  window: readonly [number, number],
): number {
  const { notBeforeMs, notAfterMs, fingerprint } = pair.certificate
  const [from, to] = window
  const share = from + (to - from) * rotationFraction(fingerprint)
  const deadlineFrom = (startMs: number): number => startMs + share * (notAfterMs - startMs)
  const deadlineMs = deadlineFrom(notBeforeMs)
  return deadlineMs <= pair.writtenAtMs && pair.writtenAtMs < notAfterMs ? deadlineFrom(pair.writtenAtMs) : deadlineMs
}

/** Of the time between the deadline and the end of the certificate, what a renewal may take before it is late. */
const SHARE_FOR_RENEWAL = 0.5

/** When the agent's renewal should be over, in ms since the epoch; whoever is to approve it has as long again until the end. */
export const overdueDeadline = (deadlineMs: number, notAfterMs: number): number =>
  deadlineMs + SHARE_FOR_RENEWAL * (notAfterMs - deadlineMs)
