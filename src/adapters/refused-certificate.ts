/** What an operator needs to know of a server's certificate that was refused: its time and this machine's, or who issued it. */
import { X509Certificate } from 'node:crypto'
import type { ErrorCode } from '../lib/errors.ts'
import { printable } from '../lib/text.ts'

type Describe = (certificate: X509Certificate, nowMs: number) => string

const validity: Describe = ({ validFromDate, validToDate }, nowMs) =>
  `valid from ${validFromDate.toISOString()} to ${validToDate.toISOString()}; here it is ${new Date(nowMs).toISOString()}`

const descriptions: Partial<Readonly<Record<ErrorCode, Describe>>> = {
  'server-certificate-expired': validity,
  'server-certificate-not-yet-valid': validity,
  'server-untrusted': ({ issuer }) => `issued by ${printable(issuer.split('\n').join(', '), 200)}`,
}

/** Whether the certificate would say more than the refusal does. */
export const isExplainable = (code: ErrorCode): boolean => descriptions[code] !== undefined

/** Undefined for what is no certificate. It is a stranger's, and so is every word in it: it decides nothing. */
export function describeRefused(code: ErrorCode, der: Uint8Array, nowMs: number): string | undefined {
  try {
    return descriptions[code]?.(new X509Certificate(der), nowMs)
  } catch {
    return undefined
  }
}
