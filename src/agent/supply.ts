/** What a node that has lost its certificate needs from a person to come back, and where it is put. Pure. */
import type { JoinConfiguration } from '../config/index.ts'
import { BootstrapError, type ErrorCode } from '../lib/errors.ts'
import { isLost, standingOf, type Standing } from './decide.ts'
import type { Observed } from './observed.ts'

/** Failures that a new bootstrap credential mends. */
const OF_THE_CREDENTIAL: readonly ErrorCode[] = [
  'unauthorized',
  'credential-unreadable',
  'credential-missing',
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
  const what = losses[standing]
  const { message, retryAfterMs } = error
  return new BootstrapError('rejoin-needs-credential', `${what}, and joining again failed: ${message}`, {
    hint: `make a bootstrap token (kubeadm token create) and ${placeOf(configuration)}`,
    cause: error,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

function placeOf({ bootstrap, discovery }: JoinConfiguration): string {
  const source = bootstrap.token ?? (discovery.kind === 'token' ? discovery.token : undefined)
  const key = bootstrap.token === undefined && discovery.kind === 'token' ? 'discovery.token.token' : 'bootstrap.token'
  switch (source?.kind) {
    case 'file':
      return `write it to ${source.path}; it is used as soon as it is there`
    case 'credential':
      return `give it to the unit as the credential ${source.name}, and restart that`
    case 'inline':
    case undefined:
      return `write it to join.yaml as ${key}; it is used as soon as it is there`
  }
}
