/** `node-bootstrap wait`: ends when the node is where a script or a unit needs it. It only looks: any user may wait. */
import { systemClock } from '../adapters/clock.ts'
import { CLIENT, SERVING, type CertificateKind } from '../agent/certificate-kind.ts'
import { EXIT, type ExitStatus } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import { GOALS } from './commands.ts'
import { follow } from './follow.ts'
import type { Invocation } from './invocation.ts'
import {
  absenceError,
  isKept,
  publishedCertificate,
  runtimeDirectory,
  type PublishedStatus,
} from './published-status.ts'
import { parseTimeout } from './timeout.ts'

export type Goal = (typeof GOALS)[number]

export async function wait(invocation: Invocation): Promise<ExitStatus> {
  const goal = GOALS.find((known) => known === invocation.values['for'])
  if (goal === undefined)
    throw new BootstrapError('usage', `wait needs --for, one of ${GOALS.join(', ')}`, {
      hint: 'see node-bootstrap wait --help',
    })
  const kind = goal === 'serving' || invocation.values['serving'] === true ? SERVING : CLIENT
  if (kind === SERVING && goal !== 'serving' && goal !== 'renewed')
    throw new BootstrapError('usage', `--serving goes with --for=renewed`, { hint: 'see node-bootstrap wait --help' })
  const directory = await runtimeDirectory(invocation)
  const { status } = await follow(directory, {
    goal,
    absence: () => absenceError(invocation, directory),
    isReached: goalReached(goal, kind),
    ...(goal !== 'healthy' && { kind }),
    timeoutMs: parseTimeout(invocation.values['timeout']),
    onNews: (line) => process.stderr.write(`${line}\n`),
  })
  const { notAfter = 'an unknown time' } = publishedCertificate(status, kind) ?? {}
  process.stdout.write(`${goal}: the ${kind.title} is valid until ${notAfter}\n`)
  return EXIT.ok
}

/**
 * A judge of successive looks. `renewed` remembers the first certificate of that kind that it saw. What has been joined or renewed
 * stays so when its agent ends; `healthy` says that one looks after it. `serving`: there is a valid serving certificate.
 */
export function goalReached(goal: Goal, kind: CertificateKind = CLIENT): (published: PublishedStatus) => boolean {
  let first: string | undefined
  return (published) => {
    const { status } = published
    if (goal === 'joined') return status.joined === true
    const certificate = publishedCertificate(status, kind)
    if (goal === 'serving') return Date.parse(certificate?.notAfter ?? '') > systemClock.nowMs()
    if (goal === 'healthy') return isKept(published) && status.state === 'healthy'
    // One that the API server has refused for now is there as well; one that has lapsed is not.
    first ??= status.joined === true || status.state === 'degraded' ? certificate?.fingerprint : undefined
    return status.joined === true && first !== undefined && certificate?.fingerprint !== first
  }
}
