/** What a node that has lost its certificate needs from a person to come back, and where it is put. Pure. */
import type { JoinConfiguration, TokenSource } from '../config/index.ts'
import { urlLabel } from '../discovery/kubeconfig-document.ts'
import type { ErrorCode } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import { isLost, standingOf, type Standing } from './decide.ts'
import type { Observed } from './observed.ts'

/** Failures that a new bootstrap credential mends. */
const OF_THE_CREDENTIAL: readonly ErrorCode[] = [
  'unauthorized',
  'credential-unreadable',
  'credential-missing',
  'credential-malformed',
  'kubeconfig-missing',
  'kubeconfig-unavailable',
  'token-malformed',
  'token-unknown',
  'token-expired',
]

const losses: Readonly<Partial<Record<Standing, string>>> = {
  none: 'there is no usable certificate any more',
  expired: 'the certificate has expired',
  refused: 'the API server does not accept the certificate',
}

/** The same error, or, where the node had joined and cannot come back without a credential, one that says what to supply. */
export function namingSupply(
  error: BootstrapError,
  seen: Observed,
  configuration: JoinConfiguration,
  nowMs: number,
): BootstrapError {
  const standing = standingOf(seen.identity, nowMs)
  if (!seen.hasJoined || !isLost(standing) || !OF_THE_CREDENTIAL.includes(error.code)) return error
  const { message, retryAfterMs } = error
  // Whose a certificate is cannot be told while its cluster is not known.
  const what =
    seen.trust.kind === 'unknown' && seen.identity.kind !== 'absent'
      ? `it is not known any more which cluster this node belongs to, and discovery failed: ${message}`
      : `${losses[standing] ?? ''}, and joining again failed: ${message}`
  return new BootstrapError('rejoin-needs-credential', what, {
    hint: supplyFor(configuration),
    cause: error,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

function supplyFor({ bootstrap, discovery }: JoinConfiguration): string {
  if (bootstrap.token !== undefined) return newToken(bootstrap.token, 'bootstrap.token')
  const instead = newToken({ kind: 'absent' }, 'bootstrap.token')
  switch (discovery.kind) {
    case 'token':
      return newToken(discovery.token, 'discovery.token.token')
    case 'file':
      return `put a kubeconfig whose user has a new credential into ${discovery.path}; it is used as soon as it is there. Or ${instead}`
    case 'https':
      return `have ${urlLabel(discovery.url)} hand out a kubeconfig whose user has a new credential; it is fetched by itself. Or ${instead}`
  }
}

/** `key` is where one in join.yaml itself stands. */
function newToken(source: TokenSource | { kind: 'absent' }, key: string): string {
  const make = 'make a bootstrap token (kubeadm token create)'
  switch (source.kind) {
    case 'file':
      return `${make} and write it to ${source.path}; it is used as soon as it is there`
    case 'credential':
      return `${make} and give it to the unit as the credential ${source.name}, and restart that`
    case 'inline':
    case 'absent':
      return `${make} and write it to join.yaml as ${key}; it is used as soon as it is there`
  }
}
