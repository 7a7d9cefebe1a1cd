/** The DNS names and IP addresses that a server's certificate is for, each once and in one order, whatever order they came in. */
import { isIPv4, isIPv6 } from 'node:net'
import { shortIPv6 } from '../lib/host.ts'

export interface SubjectNames {
  dnsNames: readonly string[]
  /** IPv4 dotted, IPv6 in its one short form (RFC 5952). */
  ipAddresses: readonly string[]
}

/** As it stands in a certificate: 4 or 16 octets. Undefined for what is no address, or one with a zone. */
export function addressOctets(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.').map(Number))
  if (!isIPv6(text) || text.includes('%')) return undefined
  const [before = '', after] = shortIPv6(text).split('::')
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const [head, tail] = [groups(before), groups(after ?? '')]
  const all = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail]
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}

/** The one form of an address; undefined for other than 4 or 16 octets. */
export function addressText(octets: Uint8Array): string | undefined {
  if (octets.length === 4) return octets.join('.')
  if (octets.length !== 16) return undefined
  const groups = Buffer.from(octets).toString('hex').match(/..../g) ?? []
  return shortIPv6(groups.join(':'))
}

/** Names in their order as bytes; IPv4 before IPv6, each in the order of its octets. What is no address is left out. */
export function subjectNames(dnsNames: readonly string[], addresses: readonly string[]): SubjectNames {
  const octets = addresses.map(addressOctets).filter((each) => each !== undefined)
  octets.sort((one, other) => one.length - other.length || Buffer.compare(one, other))
  const texts = octets.map(addressText).filter((text) => text !== undefined)
  return { dnsNames: [...new Set(dnsNames)].sort(), ipAddresses: [...new Set(texts)] }
}

/** Whether a certificate with the names `has` serves all of `wanted`: more than that does no harm. */
export const coversNames = (has: SubjectNames, wanted: SubjectNames): boolean =>
  wanted.dnsNames.every((name) => has.dnsNames.includes(name)) &&
  wanted.ipAddresses.every((address) => has.ipAddresses.includes(address))
