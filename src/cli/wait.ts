/** `node-bootstrap wait`: ends when the node is where a script or a unit needs it. It only looks: any user may wait. */
import { systemClock } from '../adapters/clock.ts'
import { BootstrapError, EXIT, type ExitStatus } from '../lib/errors.ts'
import { follow } from './follow.ts'
import type { Invocation } from './invocation.ts'
import { runtimeDirectory, type PublishedStatus } from './published-status.ts'
import { parseTimeout } from './timeout.ts'

export const GOALS = ['joined', 'renewed', 'healthy', 'serving'] as const
export type Goal = (typeof GOALS)[number]

export async function wait(invocation: Invocation): Promise<ExitStatus> {
  const goal = GOALS.find((known) => known === invocation.values['for'])
  if (goal === undefined)
    throw new BootstrapError('usage', `wait needs --for, one of ${GOALS.join(', ')}`, {
      hint: 'see node-bootstrap wait --help',
    })
  const { status } = await follow(await runtimeDirectory(invocation), {
    goal,
    isReached: goalReached(goal),
    timeoutMs: parseTimeout(invocation.values['timeout']),
    onNews: (line) => process.stderr.write(`${line}\n`),
  })
  process.stdout.write(`${goal}: the certificate is valid until ${status.certificate?.notAfter ?? 'an unknown time'}\n`)
  return EXIT.ok
}

/**
 * A judge of successive looks. `renewed` remembers the first certificate that it saw. What has been joined or renewed
 * stays so when its agent ends; `healthy` says that one looks after it. `serving`: there is a valid serving certificate.
 */
export function goalReached(goal: Goal): (published: PublishedStatus) => boolean {
  let first: string | undefined
  return ({ status, runs }) => {
    const isJoined = status.state === 'healthy' || status.state === 'degraded'
    if (goal === 'joined') return isJoined
    if (goal === 'serving') return Date.parse(status.serving?.certificate?.notAfter ?? '') > systemClock.nowMs()
    if (goal === 'healthy') return runs && status.state === 'healthy'
    const fingerprint = isJoined ? status.certificate?.fingerprint : undefined
    first ??= fingerprint
    return fingerprint !== undefined && fingerprint !== first
  }
}
