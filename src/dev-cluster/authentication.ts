/**
 * Who asks: a client certificate, else a bearer token, else nobody, as kube-apiserver chains its authenticators. Wrong
 * credentials are refused on every path; a wrong one beside a good one does no harm.
 */
import { X509Certificate } from 'node:crypto'
import { OID } from '../pki/oids.ts'
import { unauthorized } from './api-status.ts'
import type { BootstrapTokens } from './bootstrap-tokens.ts'

export interface User {
  name: string
  groups: readonly string[]
}

export interface Credentials {
  authorization: string | undefined
  /** DER, leaf first, as the TLS client sent them. */
  clientCertificates: readonly Uint8Array[]
}

export interface AuthenticationOptions {
  tokens: BootstrapTokens
  /** PEM. It may be an intermediate: Go takes any certificate of the bundle as an anchor. */
  clientCaPem: string
  anonymousAccess: boolean
  nowMs: () => number
}

const ANONYMOUS: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] }
const MAX_CHAIN = 5

/** Throws the 401 that a real server answers. */
export function authenticate(credentials: Credentials, options: AuthenticationOptions): User {
  const [leaf, ...intermediates] = credentials.clientCertificates.map((der) => new X509Certificate(der))
  const trusted =
    leaf !== undefined && isTrusted(leaf, intermediates, new X509Certificate(options.clientCaPem), options.nowMs())
  if (trusted) {
    const user = certificateUser(leaf)
    if (user !== undefined) return user
  }
  const token = bearerToken(credentials.authorization)
  const found = token === undefined ? undefined : options.tokens.authenticate(token)
  if (found !== undefined)
    return {
      name: `system:bootstrap:${found.id}`,
      groups: ['system:bootstrappers', ...found.authExtraGroups, 'system:authenticated'],
    }
  const wasWrong = token !== undefined || (leaf !== undefined && !trusted)
  if (wasWrong || !options.anonymousAccess) throw unauthorized()
  return ANONYMOUS
}

/** Go's bearertoken: the scheme in any case, the second word, and nothing else is looked at. */
function bearerToken(authorization: string | undefined): string | undefined {
  const [scheme, token] = (authorization ?? '').trim().split(' ')
  return scheme?.toLowerCase() === 'bearer' && token !== undefined && token !== '' ? token : undefined
}

/** The certificate, an unbroken chain to the CA, its time and its purpose; the clock is the cluster's, not OpenSSL's. */
function isTrusted(
  leaf: X509Certificate,
  intermediates: readonly X509Certificate[],
  ca: X509Certificate,
  nowMs: number,
): boolean {
  const purposes = leaf.keyUsage as string[] | undefined
  if (purposes !== undefined && !purposes.includes(OID.clientAuth)) return false
  let current = leaf
  for (let depth = 0; depth < MAX_CHAIN; depth += 1) {
    if (nowMs < current.validFromDate.getTime() || nowMs > current.validToDate.getTime()) return false
    if (isSignedBy(current, ca)) return nowMs <= ca.validToDate.getTime()
    const next = intermediates.find((candidate) => candidate.ca && isSignedBy(current, candidate))
    if (next === undefined) return false
    current = next
  }
  return false
}

const isSignedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)

/** CN is the user and every O a group; undefined without a CN, which is no error and no user either. */
function certificateUser(certificate: X509Certificate): User | undefined {
  const subject = certificate.toLegacyObject().subject as unknown as Record<string, string | string[] | undefined>
  const values = (key: string): string[] => [subject[key] ?? []].flat()
  const name = values('CN').at(-1)
  if (name === undefined || name === '') return undefined
  return { name, groups: [...values('O'), 'system:authenticated'] }
}
