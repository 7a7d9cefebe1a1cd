/** Where the node stands, in one sentence for people: what is done or waited for, or what stands in the way. Pure. */
import { CLIENT_SIGNER } from '../kube/certificate-signing-request.ts'
import { timestamp } from '../lib/timestamp.ts'
import { approvalCommand, denialCommand } from './actions/request.ts'
import { isToBeDenied } from './certificate-status.ts'
import type { Action } from './decide.ts'
import { isRecheckDue } from './errands.ts'
import { isInPlace, isJoinedAt } from './joined.ts'
import type { Observed } from './observed.ts'
import { allBesideTheWay, besideTheWay, restingError } from './resting.ts'
import { servingProblemOf, type StatusInput } from './status-problem.ts'

const sentences: Readonly<Record<Exclude<Action['kind'], 'rest' | 'await-outcome'>, string>> = {
  discover: 'looking for the cluster',
  restore: 'putting the certificate back in its place',
  tidy: 'removing what was left over',
  'make-key': 'making a key',
  submit: 'submitting the certificate request',
  protect: 'taking keys out of the sight of others',
  'look-up': 'looking up what became of the certificate request',
  'record-refusal': 'the certificate request was refused',
  install: 'installing the certificate',
  publish: 'writing the kubeconfig',
  'run-hooks': 'running the hooks',
  recheck: 'asking the API server whether it accepts the certificate',
}

export function summaryOf(input: StatusInput): string {
  const { seen, action, failure } = input
  if (failure !== undefined) return failure.error.message
  if (action.kind === 'rest') {
    const isWell = action.because === 'fresh' && besideTheWay(seen) === undefined
    const problem = isWell ? servingProblemOf(input) : undefined
    return problem === undefined ? restingSummary(seen, action) : `joined; ${problem.message}`
  }
  if (action.kind === 'recheck' && !isRecheckDue(seen, input.nowMs)) return lookingAtBundle(input)
  if (action.kind !== 'await-outcome') return sentences[action.kind]
  const name = seen.request?.name ?? ''
  const waits = isInPlace(seen, input.nowMs) ? 'joined; the renewal waits' : 'waiting'
  if (isToBeDenied(seen)) return `${waits} for the end of ${name}, for ${seen.outdated.why}: ${denialCommand(name)}`
  return seen.request?.outcome.kind === 'approved'
    ? `${name} is approved, but not signed yet; without a signer for ${CLIENT_SIGNER} in the cluster it stays so`
    : `${waits} for approval: ${approvalCommand(name)}`
}

/** The API server has answered, and the rest of the recheck is still under way. */
const lookingAtBundle = ({ seen, nowMs }: StatusInput): string =>
  `${isJoinedAt(seen, nowMs) ? 'joined; ' : ''}looking whether the cluster has another CA bundle`

function restingSummary(seen: Observed, action: Action & { kind: 'rest' }): string {
  switch (action.because) {
    case 'fresh':
      return besideTheWay(seen)?.message ?? `joined; the certificate is renewed at ${timestamp(action.untilMs)}`
    case 'untried':
      return `the certificate is in place, but the API server has not accepted it yet: ${allBesideTheWay(seen)
        .map(({ message }) => message)
        .join('; and ')}`
    case 'not-yet-valid':
      return "the certificate lies in this machine's future: is the clock right?"
    case 'budget-spent':
      return `${restingError(seen, action.because)?.message ?? ''}; another is made at ${timestamp(action.untilMs)}`
    case 'policy':
    case 'refused':
    case 'rejoin-forbidden':
    case 'renewal-overdue':
    case 'not-joined':
    case 'addresses-unknown':
      return restingError(seen, action.because)?.message ?? ''
  }
}
