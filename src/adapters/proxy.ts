/** Which proxy an https address is asked through, by HTTPS_PROXY and NO_PROXY as Go's programs read them (x/net/http/httpproxy). */
import { BlockList, isIP } from 'node:net'
import { BootstrapError } from '../lib/errors.ts'
import { bareHost } from '../lib/host.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** The first of its spellings that says something, upper case first, as Go looks. */
const spelled = (environment: Environment, name: string): string =>
  [name, name.toLowerCase()].find((each) => (environment[each] ?? '') !== '') ?? name

const value = (environment: Environment, name: string): string => environment[spelled(environment, name)] ?? ''

/** Undefined: asked directly. Throws `proxy-invalid` for a proxy that cannot be used; no message holds its password. */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  const name = spelled(environment, 'HTTPS_PROXY')
  const text = environment[name] ?? ''
  const host = bareHost(url).toLowerCase()
  if (
    text === '' ||
    isLoopback(host) ||
    isExempt(host, url.port === '' ? '443' : url.port, value(environment, 'NO_PROXY'))
  )
    return undefined
  const proxy = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`)
  if (proxy === null || proxy.hostname === '') throw new BootstrapError('proxy-invalid', `${name} is no URL`)
  if (proxy.protocol !== 'http:' && proxy.protocol !== 'https:')
    throw new BootstrapError('proxy-invalid', `${name} is of the scheme ${proxy.protocol}//, which is not supported`)
  if (![proxy.username, proxy.password].every(isEscaped))
    throw new BootstrapError('proxy-invalid', `${name} has a user or password with a % that escapes nothing`, {
      hint: `write %25 for a % in the user or password of ${name}, and other characters as UTF-8`,
    })
  return proxy
}

/** What the tunnel is to decode can be decoded (RFC 3986 §2.1). */
function isEscaped(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

const isLoopback = (host: string): boolean => host === 'localhost' || contains(loopback, host)

const family = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 4 ? 'ipv4' : 'ipv6')

const contains = (list: BlockList, host: string): boolean => isIP(host) !== 0 && list.check(host, family(host))

/** Each entry of NO_PROXY: `*`, an address, a CIDR, a name with its subdomains, `.name` for those alone; each with `:port` or without. */
function isExempt(host: string, port: string, list: string): boolean {
  return list
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '')
    .some((entry) => entry === '*' || (entry.includes('/') ? isInSubnet(host, entry) : isNamed(host, port, entry)))
}

function isInSubnet(host: string, entry: string): boolean {
  const [address = '', prefix = '', ...more] = entry.split('/')
  const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : Infinity
  if (isIP(address) === 0 || more.length > 0 || bits > (isIP(address) === 4 ? 32 : 128)) return false
  const subnet = new BlockList()
  subnet.addSubnet(address, bits, family(address))
  return contains(subnet, host)
}

function isNamed(host: string, port: string, entry: string): boolean {
  // An IPv6 address without brackets has colons of its own, and no port.
  const [, name = '', onlyPort] = isIP(entry) === 0 ? (/^\[?(.*?)\]?(?::(\d+))?$/.exec(entry) ?? []) : [entry, entry]
  if (name === '' || (onlyPort !== undefined && onlyPort !== port)) return false
  if (isIP(name) !== 0) return isIP(host) !== 0 && sameAddress(host, name)
  const suffix = name.replace(/^\*\./, '.')
  return suffix.startsWith('.') ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`)
}

/** An IPv6 address has many spellings. */
function sameAddress(one: string, other: string): boolean {
  const list = new BlockList()
  list.addAddress(other, family(other))
  return contains(list, one)
}
