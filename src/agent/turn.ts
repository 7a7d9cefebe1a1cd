/** The steps that a look leads to: one for each certificate, and whether something can be done for it now. */
import { decide, decideServing, type Action } from './decide.ts'
import { msUntilNextAttempt, type FailedErrands } from './errands.ts'
import type { Observed, SeenCertificate } from './observed.ts'
import type { Track } from './track.ts'

export type Doing = Exclude<Action, { kind: 'rest' }>

/** What is to be done for one certificate. */
export interface Step<A extends Action = Action> {
  track: Track
  /** What was seen of it. */
  certificate: SeenCertificate & FailedErrands
  action: A
}

/** A turn of the loop: what was seen, what was decided, and what breaks it off. */
export interface Turn {
  seen: Observed
  /** The client's is the first. */
  steps: readonly [Step, ...Step[]]
  /** Aborts with the agent, a new configuration, and the operator's wish. */
  signal: AbortSignal
  /** Aborts with the agent alone. */
  stopped: AbortSignal
}

export function stepsOf(seen: Observed, client: Track, serving: Track, nowMs: number): [Step, ...Step[]] {
  const own = { track: client, certificate: seen, action: decide(seen, nowMs) }
  if (seen.serving === undefined) return [own]
  return [own, { track: serving, certificate: seen.serving, action: decideServing(seen, seen.serving, nowMs) }]
}

const isDoing = (step: Step): step is Step<Doing> => step.action.kind !== 'rest'
export const isWatching = ({ action }: Step): boolean => action.kind === 'await-outcome'

/** Left alone after a failure, it can do nothing yet. */
export const isFree = (step: Step): step is Step<Doing> => isDoing(step) && step.track.heldForMs === 0

/** Until there may be something to do for it, by its times alone. */
function msUntilFree({ track, certificate, action }: Step, nowMs: number): number {
  if (action.kind !== 'rest') return track.heldForMs
  return Math.min(Math.max(action.untilMs - nowMs, 0), msUntilNextAttempt(certificate, nowMs))
}

/** Until there may be something to do for what is not free to be done. */
export const msUntilNews = (steps: readonly Step[], nowMs: number): number =>
  Math.min(...steps.filter((step) => !isFree(step)).map((step) => msUntilFree(step, nowMs)))

/** What a step waits for, in a few words: other words are news. */
export function waitOf(step: Step): string {
  const { action, certificate } = step
  if (action.kind === 'rest') return action.because
  const what = 'as' in action ? `${action.kind} as ${action.as}` : action.kind
  if (!isFree(step)) return `${what} later`
  return isWatching(step) ? `${what}: ${certificate.outdated?.why ?? 'it is as wanted'}` : what
}
