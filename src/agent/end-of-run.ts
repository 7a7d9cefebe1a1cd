/** Where a run that is to end by itself has its end: pure. What is tried again until then, and how long, is not said here. */
import type { BootstrapError } from '../lib/errors.ts'
import type { CertificateKind } from './certificate-kind.ts'
import type { RestReason } from './decide.ts'
import type { Observed } from './observed.ts'
import { isJoined, restingError, servingRestError } from './resting.ts'
import type { Turn } from './turn.ts'

/** Once the node has joined, or once its serving certificate needs nothing more either. */
export type Once = 'joined' | 'served'

/** What cannot be done for this certificate soon is the end of the run. */
export const endsWith = (once: Once | undefined, { name }: CertificateKind): boolean =>
  once === 'served' || (once === 'joined' && name === 'client')

/** Why a node whose own certificate rests has not joined; undefined where it has, or nothing is wrong. */
export function joinObstacle(seen: Observed, because: RestReason): BootstrapError | undefined {
  const isAccepted = seen.authentication.kind === 'accepted' && seen.violations.length === 0
  return isJoined(because) && isAccepted ? undefined : restingError(seen, because)
}

/** Of a node that has joined: the end, or what is in its way; undefined while something is to be done for its server. */
export function endOfRun(once: Once, { seen, steps: [, serving] }: Turn): 'done' | BootstrapError | undefined {
  if (once !== 'served' || seen.serving === undefined || serving === undefined) return 'done'
  if (serving.action.kind !== 'rest') return undefined
  return servingRestError(seen.serving, serving.action.because) ?? 'done'
}
