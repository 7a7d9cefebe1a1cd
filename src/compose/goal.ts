/** What a run that ends is for, and the error that it ends with where that is not reached. Pure. */
import type { CertificateKind } from '../agent/certificate-kind.ts'
import { obstacleTo } from '../agent/obstacle.ts'
import type { StatusBody } from '../agent/status.ts'
import { BootstrapError } from '../lib/errors.ts'

/** That the node has joined, or that a certificate of it is renewed. */
export interface Goal {
  goal: 'joined' | 'renewed'
  kind: CertificateKind
}

const missed = ({ goal, kind }: Goal): string =>
  goal === 'joined' ? 'the node has not joined' : `the ${kind.title} is not renewed`

export const stoppedEarly = (goal: Goal): BootstrapError =>
  new BootstrapError('stopped', `stopped early: ${missed(goal)}`)

/** Names what stood in the way of that certificate in the status that was told last. */
export function timedOut(goal: Goal, timeoutMs: number, last: StatusBody | undefined): BootstrapError {
  const { problem, summary } = last === undefined ? {} : obstacleTo(goal.kind, last)
  const why = problem === undefined ? summary : `${problem.code}: ${problem.message}`
  const code = goal.goal === 'joined' ? 'joining-timed-out' : 'waiting-timed-out'
  const message = `${missed(goal)} within ${timeoutMs / 1000} s${why === undefined ? '' : `: ${why}`}`
  return new BootstrapError(code, message, problem && { hint: problem.hint })
}
