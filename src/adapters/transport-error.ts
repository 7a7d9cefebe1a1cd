/** Translates what Node, OpenSSL and got report of a failed connection into the one error that the rooms know. */
import type { ErrorCode } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import { fieldAt, numberAt, textAt } from '../lib/json.ts'
import type { HttpRequest } from '../lib/ports.ts'
import { printable } from '../lib/text.ts'

/** errno names (Node), X509_V_ERR names (OpenSSL as Node spells them) and got's own. Anything of TLS beside them is tls-failed. */
const codes: Readonly<Record<string, ErrorCode>> = {
  ECONNREFUSED: 'connection-refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  EACCES: 'unreachable',
  EPERM: 'unreachable',
  ENOTFOUND: 'name-unresolved',
  EAI_AGAIN: 'name-unresolved',
  EAI_FAIL: 'name-unresolved',
  EAI_NODATA: 'name-unresolved',
  ETIMEDOUT: 'timed-out',
  ECONNRESET: 'connection-lost',
  ECONNABORTED: 'connection-lost',
  EPIPE: 'connection-lost',
  ERR_STREAM_PREMATURE_CLOSE: 'connection-lost',
  ERR_HTTP2_STREAM_ERROR: 'connection-lost',
  ERR_READING_RESPONSE_STREAM: 'connection-lost',
  CERT_HAS_EXPIRED: 'server-certificate-expired',
  CERT_NOT_YET_VALID: 'server-certificate-not-yet-valid',
  UNABLE_TO_GET_ISSUER_CERT: 'server-untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'server-untrusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'server-untrusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'server-untrusted',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'server-untrusted',
  CERT_SIGNATURE_FAILURE: 'server-untrusted',
  CERT_CHAIN_TOO_LONG: 'server-untrusted',
  CERT_REVOKED: 'server-untrusted',
  CERT_REJECTED: 'server-untrusted',
  CERT_UNTRUSTED: 'server-untrusted',
  INVALID_CA: 'server-untrusted',
  INVALID_PURPOSE: 'server-untrusted',
  PATH_LENGTH_EXCEEDED: 'server-untrusted',
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: 'server-untrusted',
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: 'server-untrusted',
  ERROR_IN_CERT_NOT_BEFORE_FIELD: 'server-untrusted',
  ERROR_IN_CERT_NOT_AFTER_FIELD: 'server-untrusted',
  // Node's one name for each reason of OpenSSL to reject a certificate that it has no name for, such as a weak key.
  UNSPECIFIED: 'server-untrusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'server-name-mismatch',
  ERR_PROXY_TUNNEL: 'proxy-refused',
  // OpenSSL's SSL_R_WRONG_VERSION_NUMBER: the first bytes are no TLS record, but plain HTTP, SSH or the like.
  '0A00010B': 'not-kubernetes',
}

function codeOf(name: string): ErrorCode {
  const known = codes[name]
  if (known !== undefined) return known
  if (name.startsWith('HPE_')) return 'not-kubernetes'
  if (name === 'EPROTO' || name.startsWith('ERR_SSL') || name.startsWith('ERR_TLS') || name.startsWith('ERR_OSSL'))
    return 'tls-failed'
  return 'connection-lost'
}

const sentences: Partial<Readonly<Record<ErrorCode, string>>> = {
  'connection-refused': 'refused the connection',
  unreachable: 'cannot be reached',
  'name-unresolved': 'has a name that does not resolve',
  'timed-out': 'does not answer',
  'connection-lost': 'broke the connection off',
  'server-untrusted': 'shows a certificate that the verified CA did not sign',
  'server-certificate-expired': 'shows an expired certificate',
  'server-certificate-not-yet-valid': 'shows a certificate that is not valid yet',
  'tls-failed': 'does not speak TLS as a Kubernetes API server does',
  'not-kubernetes': 'does not speak HTTP over TLS as a Kubernetes API server does',
  'proxy-refused': 'is not connected to',
  'proxy-authentication-required': 'is not connected to',
}

/** With a proxy in between, these tell of the way to the proxy. */
const OF_THE_PROXY: readonly ErrorCode[] = ['connection-refused', 'unreachable', 'name-unresolved']

/** Who failed, as the subject of a sentence. A proxy's own address may hold a password: only its host is told. */
function subject(host: string, code: ErrorCode, proxy: URL | undefined): string {
  if (proxy === undefined) return host
  return OF_THE_PROXY.includes(code) ? `the proxy ${proxy.host}` : `${host}, through the proxy ${proxy.host},`
}

/** Node calls most of OpenSSL's errors EPROTO, and has OpenSSL's own number for them in its message alone. */
const opensslNumber = (error: unknown): string | undefined =>
  /\berror:([0-9A-F]{8}):/.exec(textAt(error, 'message') ?? '')?.[1]

/** The first BootstrapError in the chain of causes: our own checks fail inside the connection, and got wraps them. */
function ownError(thrown: unknown): BootstrapError | undefined {
  for (let current = thrown, depth = 0; current instanceof Error && depth < 5; current = current.cause, depth += 1)
    if (current instanceof BootstrapError) return current
  return undefined
}

/**
 * `proxy` is what the request went through; `deadline`, the signal that fires when the request's own time is over. Only
 * names of errors are taken over, and the status of a proxy that refused; no objects.
 */
export function transportError(
  thrown: unknown,
  request: Pick<HttpRequest, 'url' | 'timeoutMs' | 'signal'>,
  proxy: URL | undefined,
  deadline?: AbortSignal,
): BootstrapError {
  const own = ownError(thrown)
  if (own !== undefined) return own
  const host = request.url.host
  if (deadline?.aborted === true && !request.signal.aborted)
    return new BootstrapError(
      'timed-out',
      `${subject(host, 'timed-out', proxy)} did not answer within ${request.timeoutMs / 1000} s`,
    )
  const inner = fieldAt(thrown, 'cause')
  const name = textAt(inner, 'code') ?? textAt(thrown, 'code') ?? 'unknown'
  const status = numberAt(inner, 'statusCode') ?? numberAt(thrown, 'statusCode')
  const plain = codes[opensslNumber(inner) ?? ''] ?? codeOf(name)
  const isOfProxy = plain === 'proxy-refused'
  const code = isOfProxy && status === 407 ? 'proxy-authentication-required' : plain
  const detail = isOfProxy && status !== undefined ? `it answered ${status}` : printable(name, 60)
  return new BootstrapError(code, `${subject(host, code, proxy)} ${sentences[code] ?? 'failed'} (${detail})`)
}
