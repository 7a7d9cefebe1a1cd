/** The problem that the status tells, of each certificate and of the node as such, and when it is tried again. Pure. */
import type { JoinConfiguration } from '../config/index.ts'
import type { BootstrapError } from '../lib/errors.ts'
import { timestamp } from '../lib/timestamp.ts'
import { CLIENT, type CertificateKind } from './certificate-kind.ts'
import type { Action } from './decide.ts'
import { lateRenewal } from './late-renewal.ts'
import type { Observed } from './observed.ts'
import { besideTheWay, restingError } from './resting.ts'
import { servingProblem, type ServingInput } from './serving-status.ts'
import type { FailureFacts } from './track.ts'

/** What a status is derived from. */
export interface StatusInput {
  configuration: JoinConfiguration
  seen: Observed
  action: Action
  /** The last failure, until something succeeds. */
  failure: FailureFacts | undefined
  /** Of the serving certificate, where join.yaml asks for one. */
  serving: ServingInput | undefined
  nowMs: number
}

export interface StatusProblem {
  /** Of which certificate; client: or of the node as such. */
  kind: CertificateKind['name']
  code: string
  message: string
  hint: string
  nextAttemptAt?: string
}

/** The worst; what is wrong with the serving certificate alone comes last. */
export function problemOf(input: StatusInput): StatusProblem | undefined {
  const { seen, action, failure, nowMs } = input
  const rest = action.kind === 'rest' && action.because !== 'fresh' ? action : undefined
  const resting = rest && { error: restingError(seen, rest.because), nextAttemptMs: rest.untilMs }
  const error = failure?.error ?? resting?.error ?? besideTheWay(seen) ?? lateRenewal(seen, CLIENT, nowMs)
  if (error === undefined) return servingProblemOf(input)
  const { failedRestore, failedPublish, failedProtection, failedRecheck, failedHooks } = seen
  const errands = [failedRestore, failedPublish, failedProtection, failedRecheck, failedHooks]
  return told('client', error, [failure, resting, ...errands])
}

export function servingProblemOf({ seen, serving, nowMs }: StatusInput): StatusProblem | undefined {
  const error = seen.serving && serving && servingProblem(seen.serving, serving, nowMs)
  if (error === undefined) return undefined
  const { failedRestore, failedProtection, failedHooks } = seen.serving ?? {}
  return told('serving', error, [serving?.failure, failedRestore, failedProtection, failedHooks])
}

type Attempted = { error: BootstrapError | undefined; nextAttemptMs: number | undefined } | undefined

/** When it is tried again, that one of `attempts` says of which it is the error. */
function told(kind: StatusProblem['kind'], error: BootstrapError, attempts: readonly Attempted[]): StatusProblem {
  const nextAttemptMs = attempts.find((attempt) => attempt?.error === error)?.nextAttemptMs ?? Infinity
  const nextAttempt = nextAttemptMs === Infinity ? {} : { nextAttemptAt: timestamp(nextAttemptMs) }
  return { kind, code: error.code, message: error.message, hint: error.hint, ...nextAttempt }
}
