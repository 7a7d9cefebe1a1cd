/**
 * Follows what the agent publishes until a goal is reached or the time is over. It looks four times a second: that the
 * agent died, or that its directory is not there yet, is no event that a watch would bring.
 */
import { systemClock } from '../adapters/clock.ts'
import type { CertificateKind } from '../agent/certificate-kind.ts'
import { obstacleTo } from '../agent/obstacle.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Clock } from '../lib/ports.ts'
import { isErrorCode, isKept, readPublishedStatus, type PublishedStatus } from './published-status.ts'

const LOOK_EVERY_MS = 250

export interface FollowOptions {
  /** What is waited for, as a past participle: "renewed". */
  goal: string
  /** Judges each look, of an agent that runs or ran; it may throw what makes waiting pointless. */
  isReached: (published: PublishedStatus) => boolean
  /** Of the certificate that is waited for; without it: whatever the status tells. */
  kind?: CertificateKind
  /** Without it: for ever. */
  timeoutMs: number | undefined
  /** Hears each new state and summary. */
  onNews: (line: string) => void
  /** Why there is no status, once the time is over. */
  absence: () => Promise<BootstrapError>
  clock?: Clock
  look?: () => Promise<PublishedStatus | undefined>
}

/** Resolves with the status that reached the goal; rejects with what stands in the way when the time is over. */
export async function follow(runtimeDirectory: string, options: FollowOptions): Promise<PublishedStatus> {
  const { isReached, timeoutMs = Infinity, onNews, clock = systemClock, kind } = options
  const look = options.look ?? (() => readPublishedStatus(runtimeDirectory))
  const endMs = clock.monotonicMs() + timeoutMs
  let told = ''
  for (;;) {
    const published = await look()
    const line = describe(published, kind)
    if (line !== told) onNews(line)
    told = line
    if (published !== undefined && isReached(published)) return published
    if (clock.monotonicMs() >= endMs) throw await tooLate(options, published)
    await clock.sleep(Math.min(LOOK_EVERY_MS, Math.max(endMs - clock.monotonicMs(), 0)), new AbortController().signal)
  }
}

/** An agent whose directory is full runs, and cannot say so. */
function describe(published: PublishedStatus | undefined, kind: CertificateKind | undefined): string {
  return published !== undefined && isKept(published)
    ? `${published.status.state}: ${obstacleTo(kind, published.status).summary}`
    : `${published === undefined ? 'there is no status' : neglect(published)}: it is waited for`
}

const neglect = ({ runs }: PublishedStatus): string =>
  runs ? 'the agent that runs does not keep its status' : 'no agent runs'

/** With the code of what stands in the way, so that the exit status says it. */
async function tooLate(options: FollowOptions, published: PublishedStatus | undefined): Promise<BootstrapError> {
  const { goal, timeoutMs = 0, kind, absence } = options
  const what = `not ${goal} within ${timeoutMs / 1000} s`
  if (published === undefined) {
    const { code, message } = await absence()
    return new BootstrapError(code, `${what}: ${message}`)
  }
  if (!isKept(published))
    return new BootstrapError(published.runs ? 'status-not-kept' : 'not-running', `${what}: ${neglect(published)}`)
  const { problem, summary } = obstacleTo(kind, published.status)
  return problem !== undefined && isErrorCode(problem.code)
    ? new BootstrapError(problem.code, `${what}: ${problem.message}`, { hint: problem.hint })
    : new BootstrapError('waiting-timed-out', `${what}: ${summary}`)
}
