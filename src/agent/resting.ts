/** Why the agent rests, as the error that it is where it is one: for the log, the status and the exit status alike. */
import { BootstrapError } from '../lib/errors.ts'
import { policyError } from '../findings/policy.ts'
import type { RestReason } from './decide.ts'
import type { Observed, SeenServing } from './observed.ts'
import { refusalError } from './refusal.ts'
import { spentBudget, type KeyTimes } from './rejoin.ts'

/** With these there is a certificate in force: `run --once` is done. */
export const isJoined = (because: RestReason): boolean => because === 'fresh' || because === 'renewal-overdue'

/** All that is wrong with a certificate in force, or beside it: the worst first. */
export function allBesideTheWay(seen: Observed): BootstrapError[] {
  const { authentication, bundle, failedRecheck, failedProtection, failedHooks, violations, isUntried } = seen
  const { failedRestore, failedPublish } = seen
  const refused = authentication.kind === 'refused' ? authentication.error : undefined
  const forbidden = violations.length > 0 ? policyError(violations) : undefined
  const heldBack = bundle?.kind === 'held-back' ? bundle.error : undefined
  // What keeps a first certificate from its first use keeps the node from being one; policy does not.
  const [worse, lesser] = isUntried ? [failedRecheck?.error, forbidden] : [forbidden, failedRecheck?.error]
  const notInPlace = [failedRestore?.error, failedPublish?.error]
  return [refused, worse, ...notInPlace, failedProtection?.error, lesser, heldBack, failedHooks?.error].filter(
    (error) => error !== undefined,
  )
}

export const besideTheWay = (seen: Observed): BootstrapError | undefined => allBesideTheWay(seen)[0]

/** Of the client certificate; undefined where all is well. */
export const restingError = (seen: Observed, because: RestReason): BootstrapError | undefined =>
  because === 'fresh' || because === 'untried' ? besideTheWay(seen) : waitingError(seen, because)

/** Of the serving certificate, likewise. */
export function servingRestError(serving: SeenServing, because: RestReason): BootstrapError | undefined {
  if (because === 'fresh' || because === 'untried') return (serving.failedProtection ?? serving.failedHooks)?.error
  if (because === 'budget-spent')
    return new BootstrapError('serving-budget-spent', spentBudget(serving, 'for the serving certificate'))
  return waitingError({ ...serving, violations: [] }, because)
}

function waitingError(
  seen: Pick<Observed, 'refusal' | 'violations'> & KeyTimes,
  because: Exclude<RestReason, 'fresh' | 'untried'>,
): BootstrapError | undefined {
  switch (because) {
    case 'not-joined':
      return undefined
    case 'addresses-unknown':
      return new BootstrapError(
        'addresses-unknown',
        'no address of this machine was found that the serving certificate could be asked for',
      )
    case 'policy':
      return policyError(seen.violations)
    case 'refused':
      return seen.refusal === undefined ? new BootstrapError('internal', 'refused') : refusalError(seen.refusal)
    case 'not-yet-valid':
      return new BootstrapError('clock-skewed', "the current certificate lies in this machine's future")
    case 'rejoin-forbidden':
      return new BootstrapError(
        'rejoin-forbidden',
        'there is no valid certificate any more, and recovery.rejoin is never',
      )
    case 'budget-spent':
      return new BootstrapError('rejoin-budget-spent', spentBudget(seen, 'with the bootstrap credential'))
    case 'renewal-overdue':
      return new BootstrapError('renewal-overdue', 'the kubelet has not renewed its certificate in time')
  }
}
