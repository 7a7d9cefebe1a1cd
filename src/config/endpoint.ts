/** An API server's address: host:port, and nothing of a URL around it. */
import { isIPv4, isIPv6 } from 'node:net'
import { shortIPv6 } from '../lib/host.ts'
import { subdomainFault } from './host-name.ts'
import type { Parsed } from './problems.ts'

export interface Endpoint {
  /** A lower-case DNS name, an IPv4 address, or an IPv6 address without brackets. */
  host: string
  port: number
}

const expected = 'host:port, such as 10.0.0.10:6443, api.example.com:6443 or [fd00::10]:6443'

/** `host:port` again, with brackets around an IPv6 address. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

export function parseEndpoint(text: string): Parsed<Endpoint> {
  if (text === '') return { message: 'is empty', expected }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    return { message: 'is a URL', expected: `drop the scheme and any path: ${expected}` }
  }
  if (/\s/.test(text)) return { message: 'has white space in it', expected }
  if (text.includes('@')) return { message: 'has a user in it', expected }
  if (/[/?#]/.test(text)) return { message: 'has a path, a query or a fragment', expected }
  // Two colons first: Node's test for IPv6 takes milliseconds the first time.
  if (/:.*:/.test(text) && isIPv6(text)) return { message: 'is an IPv6 address without brackets and port', expected }
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/.exec(text) ?? []
  if (bracketed === undefined && plain === undefined) {
    return { message: 'is no host:port', expected: `${expected}; an IPv6 address goes in brackets` }
  }
  const host = bracketed === undefined ? parseHost(plain ?? '') : parseBracketed(bracketed)
  if (!('value' in host)) return host
  return withPort(host.value, port)
}

function withPort(host: string, port: string | undefined): Parsed<Endpoint> {
  if (port === undefined || port === '')
    return { message: 'has no port', expected: `${expected}; 6443 is the usual one` }
  if (!/^[1-9]\d{0,4}$/.test(port) || Number(port) > 65_535) {
    return { message: 'has an invalid port', expected: 'a port from 1 to 65535' }
  }
  return { value: { host, port: Number(port) } }
}

function parseBracketed(address: string): Parsed<string> {
  if (address.includes('%')) return { message: 'has an IPv6 zone', expected: 'an address that needs no zone' }
  if (!isIPv6(address)) return { message: 'has no IPv6 address in its brackets', expected }
  return { value: shortIPv6(address) } // The one short form, so that duplicates show.
}

function parseHost(text: string): Parsed<string> {
  if (text === '') return { message: 'has no host', expected }
  if (isIPv4(text)) return { value: text }
  const host = text.toLowerCase()
  // A name whose last part is a number is an IPv4 address or a mistake (WHATWG URL: "ends in a number").
  if (/(^|\.)\d+$/.test(host)) return { message: 'is no valid IPv4 address', expected: 'four numbers from 0 to 255' }
  const fault = subdomainFault(host)
  return fault === undefined ? { value: host } : { message: `has a host that ${fault}`, expected }
}
