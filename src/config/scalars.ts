/** The short texts of join.yaml, each with the sentence for every way of getting it wrong: tokens, pins, paths, URLs. */
import { isIPv4, isIPv6 } from 'node:net'
import { posix } from 'node:path'
import { bootstrapTokenFault, parseBootstrapToken, type BootstrapToken } from '../lib/bootstrap-token.ts'
import { shortIPv6 } from '../lib/host.ts'
import type { Parsed } from './problems.ts'

const TOKEN_EXPECTED = '6 characters, a dot and 16 characters, all of a-z and 0-9, as kubeadm token create prints it'
const PIN_EXPECTED = 'sha256: and 64 hex digits, as kubeadm token create --print-join-command prints it'

export function parseToken(text: string): Parsed<BootstrapToken> {
  const token = parseBootstrapToken(text)
  return token === undefined
    ? { message: `is no bootstrap token: it ${bootstrapTokenFault(text)}`, expected: TOKEN_EXPECTED }
    : { value: token }
}

/** A pin's 64 hex digits in lower case; prefix and digits come in any case. */
export function parsePin(text: string): Parsed<string> {
  const [, algorithm, digits = ''] = /^(?:([^:]*):)?(.*)$/s.exec(text) ?? []
  if (algorithm === undefined) return { message: 'does not begin with sha256:', expected: PIN_EXPECTED }
  if (algorithm.toLowerCase() !== 'sha256') {
    const known = /^(md5|sha1|sha224|sha384|sha512)$/i.test(algorithm)
    return { message: known ? 'is of another algorithm' : 'does not begin with sha256:', expected: PIN_EXPECTED }
  }
  if (/^([0-9a-f]{2}:)+[0-9a-f]{2}$/i.test(digits)) {
    return { message: 'has colons between its digits', expected: PIN_EXPECTED }
  }
  if (/[^0-9a-f]/i.test(digits)) return { message: 'has characters that are no hex digits', expected: PIN_EXPECTED }
  if (digits.length < 64) return { message: `is too short: ${digits.length} hex digits`, expected: PIN_EXPECTED }
  if (digits.length > 64) return { message: `is too long: ${digits.length} hex digits`, expected: PIN_EXPECTED }
  return { value: digits.toLowerCase() }
}

/** An absolute path without `.`, `..`, doubled and trailing slashes. It is not looked up: links stay what they are. */
export function parsePath(text: string): Parsed<string> {
  const expected = 'an absolute path'
  if (text === '') return { message: 'is empty', expected }
  if (/\p{Cc}/u.test(text)) return { message: 'has control characters in it', expected }
  if (text.startsWith('~')) return { message: 'begins with ~, which only a shell expands', expected }
  if (/^[a-z]+:\/\//i.test(text)) return { message: 'is a URL', expected }
  if (!text.startsWith('/')) return { message: 'is not absolute', expected }
  const path = posix.normalize(text).replace(/\/$/, '')
  return path === '' ? { message: 'is the root directory', expected } : { value: path }
}

/** Where node_exporter's textfile collector looks: it reads nothing of another ending. */
export function parseTextfile(text: string): Parsed<string> {
  const parsed = parsePath(text)
  return 'value' in parsed && !parsed.value.endsWith('.prom')
    ? { message: 'does not end in .prom, and node_exporter reads nothing else', expected: 'a path that ends in .prom' }
    : parsed
}

/** The name of a systemd credential, as `LoadCredential=` takes it (systemd: credential_name_valid). */
export function parseCredentialName(text: string): Parsed<string> {
  const expected = 'the name of a credential of the unit (LoadCredential=), such as bootstrap-token'
  if (text === '') return { message: 'is empty', expected }
  // The name is shown in errors later: a token in its place must not come that far.
  if (parseBootstrapToken(text) !== undefined)
    return { message: 'is a token, not a name', expected: `${expected}; the token itself goes under the key token` }
  if (text.includes('/'))
    return { message: 'is a path, not a name', expected: `${expected}; a path goes under the key tokenFile` }
  if (!/^[!-9;-~]{1,255}$/.test(text) || text === '.' || text === '..') {
    return { message: 'is no name of a credential', expected }
  }
  return { value: text }
}

/** The name of a unit that can be reloaded or restarted (systemd.unit(5)). */
export function parseUnitName(text: string): Parsed<string> {
  const expected = 'the full name of a unit, such as kubelet.service'
  if (text === '') return { message: 'is empty', expected }
  if (!/\.(service|socket|target|timer|path|mount|slice)$/.test(text))
    return { message: 'has no suffix such as .service', expected }
  return /^[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\@-]{0,254}$/.test(text)
    ? { value: text }
    : { message: 'has characters that names of units lack', expected }
}

/** An IP address that other machines can reach, in its one short form. */
export function parseAddress(text: string): Parsed<string> {
  const expected = 'an IP address of this machine, such as 10.0.0.21 or fd00::21'
  if (isIPv4(text)) return { value: text }
  if (text.includes('%')) return { message: 'has an IPv6 zone', expected }
  if (!isIPv6(text)) return { message: 'is no IP address', expected }
  return { value: shortIPv6(text) }
}

export function parseHttpsUrl(text: string): Parsed<URL> {
  const expected = 'an https URL, such as https://config.example.com/cluster-info.yaml'
  if (text === '') return { message: 'is empty', expected }
  if (/[\s\p{Cc}]/u.test(text)) return { message: 'has white space or control characters in it', expected }
  const url = URL.parse(text)
  if (url === null) return { message: 'is no URL', expected }
  if (url.protocol !== 'https:') return { message: 'is not https', expected }
  if (!/^https:\/\//i.test(text)) return { message: 'lacks the two slashes after https:', expected }
  if (url.username !== '' || url.password !== '') {
    return {
      message: 'has a user or password in it',
      expected: `${expected}; credentials go into the kubeconfig that it serves`,
    }
  }
  return { value: url }
}
