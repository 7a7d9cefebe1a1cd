/**
 * A wall clock that is set back: noticed by the monotonic one, so that what was to be done at a time of the wall clock's is
 * done when it was meant to be. One that is set ahead needs nothing: what is due then is due.
 */
import type { Clock } from '../lib/ports.ts'
import type { Memory } from './observed.ts'

/** Less than this is no setting of a clock: it is kept right in small steps, and put together they count. */
const LEAST_SETBACK_MS = 1000

export class Setbacks {
  readonly #clock: Clock
  /** Of the wall clock to the monotonic one, when it was looked at last. */
  #leadMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#leadMs = leadOf(clock)
  }

  /** By how much the wall clock was set back since this was asked last, in ms; 0 where it was not. */
  takeMs(): number {
    const leadMs = leadOf(this.#clock)
    const backMs = this.#leadMs - leadMs
    if (backMs > 0 && backMs < LEAST_SETBACK_MS) return 0
    this.#leadMs = leadMs
    return Math.max(backMs, 0)
  }
}

const leadOf = (clock: Clock): number => clock.nowMs() - clock.monotonicMs()

/** The next attempts and questions, as the wall clock shows them now. */
export function bringForward(memory: Memory, byMs: number): void {
  memory.nextTokenQuestionMs -= byMs
  if (memory.nextRecheckMs !== undefined) memory.nextRecheckMs -= byMs
  const ofBoth = [memory, memory.serving].flatMap(({ failedHooks, failedProtection }) => [
    failedHooks,
    failedProtection,
  ])
  for (const failed of [memory.failedRecheck, ...ofBoth]) if (failed !== undefined) failed.nextAttemptMs -= byMs
}
