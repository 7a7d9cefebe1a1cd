/** Where the serving certificate stands, as a part of the status: derived from what was seen and decided. Pure. */
import { BootstrapError } from '../lib/errors.ts'
import { timestamp } from '../lib/timestamp.ts'
import { coversNames } from '../pki/subject-names.ts'
import { approvalCommand, denialCommand } from './actions/request.ts'
import { SERVING } from './certificate-kind.ts'
import { isToBeDenied } from './certificate-status.ts'
import { isValid, standingOf, type Action } from './decide.ts'
import { lateRenewal } from './late-renewal.ts'
import type { SeenServing } from './observed.ts'
import { servingRestError } from './resting.ts'
import type { FailureFacts } from './track.ts'

export interface ServingInput {
  action: Action
  failure: FailureFacts | undefined
}

/** There is one where the kubelet looks that is valid now, for all that is wanted of it. */
export const isServed = ({ identity, names }: SeenServing, nowMs: number): boolean =>
  identity.kind === 'ours' &&
  !identity.isBehindLink &&
  isValid(standingOf(identity, nowMs)) &&
  coversNames(identity.pair.certificate.subjectNames, names)

/** What stands in the way of it; undefined where it is valid and nothing fails, or it is on its way by itself. */
export function servingProblem(
  serving: SeenServing,
  { action, failure }: ServingInput,
  nowMs: number,
): BootstrapError | undefined {
  if (failure !== undefined) return failure.error
  if (action.kind === 'rest') return servingRestError(serving, action.because)
  if (serving.failedRestore !== undefined) return serving.failedRestore.error
  const { request } = serving
  const late = lateRenewal(serving, SERVING, nowMs)
  if (late !== undefined) return late
  // A renewal that waits for its approval harms nothing until it is late.
  if (action.kind !== 'await-outcome' || request === undefined || isServed(serving, nowMs)) return undefined
  const hint = isToBeDenied(serving)
    ? `deny it, and another is filed: ${denialCommand(request.name)}`
    : `compare the key and the names, then: ${approvalCommand(request.name)}`
  return new BootstrapError('serving-not-approved', waiting(serving), { hint })
}

function waiting(serving: SeenServing): string {
  const { request } = serving
  const subject = `the serving certificate's request ${request?.name ?? ''}`
  if (isToBeDenied(serving)) return `${subject} is outdated and still open: ${serving.outdated.why}`
  return request?.outcome.kind === 'approved'
    ? `${subject} is approved, but not signed yet`
    : `${subject} waits for approval: nothing in Kubernetes approves these by itself`
}

/** One sentence for people. */
export function servingSummary(serving: SeenServing, input: ServingInput, nowMs: number): string {
  const { action } = input
  const problem = servingProblem(serving, input, nowMs)
  if (problem !== undefined) return problem.message
  if (action.kind === 'await-outcome') return waiting(serving)
  if (action.kind !== 'rest') return 'the serving certificate is on its way'
  return action.because === 'fresh'
    ? `the serving certificate is renewed at ${timestamp(action.untilMs)}`
    : 'the serving certificate is asked for once the node has joined'
}
