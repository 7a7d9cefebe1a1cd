/** What an operator needs to know of a server's certificate that was refused: its time and this machine's, or who issued it. */
import { X509Certificate } from 'node:crypto'
import { skewSentence } from '../lib/clock-skew.ts'
import type { ErrorCode } from '../lib/error-codes.ts'
import { printable } from '../lib/text.ts'
import { timestamp } from '../lib/timestamp.ts'

type Describe = (certificate: X509Certificate, nowMs: number, serverNowMs: number | undefined) => string

const validity: Describe = ({ validFromDate, validToDate }, nowMs, serverNowMs) =>
  `valid from ${timestamp(validFromDate.getTime())} to ${timestamp(validToDate.getTime())}; here it is ${timestamp(nowMs)}${
    serverNowMs === undefined ? '' : serverClock(serverNowMs, nowMs)
  }`

/** Nobody vouches for what an unverified server says of the time: it is for a person to weigh. */
const serverClock = (serverNowMs: number, nowMs: number): string =>
  `, and there, as the unverified server says, ${timestamp(serverNowMs)}: ${
    skewSentence(serverNowMs - nowMs, "the server's") ?? 'the two clocks agree'
  }`

const descriptions: Partial<Readonly<Record<ErrorCode, Describe>>> = {
  'server-certificate-expired': validity,
  'server-certificate-not-yet-valid': validity,
  'server-untrusted': ({ issuer }) => `issued by ${printable(issuer.split('\n').join(', '), 200)}`,
}

/** Whether the certificate would say more than the refusal does. */
export const isExplainable = (code: ErrorCode): boolean => descriptions[code] !== undefined

/** Whether a certificate was refused: its chain, its time or its name. */
export const isOfCertificate = (code: ErrorCode): boolean => isExplainable(code) || code === 'server-name-mismatch'

/** Whether it matters what time it is at the server. */
export const isOfTime = (code: ErrorCode): boolean => descriptions[code] === validity

/** Undefined for what is no certificate. It is a stranger's, and so is every word in it: it decides nothing. */
export function describeRefused(
  code: ErrorCode,
  der: Uint8Array,
  nowMs: number,
  serverNowMs?: number,
): string | undefined {
  try {
    return descriptions[code]?.(new X509Certificate(der), nowMs, serverNowMs)
  } catch {
    return undefined
  }
}
