/**
 * A wall clock that is set back: noticed by the monotonic one, so that what was to be done at a time of the wall clock's is
 * done when it was meant to be. One that is set ahead needs nothing: what is due then is due.
 */
import type { Clock } from '../lib/ports.ts'
import type { Memory } from './observed.ts'

/** Less than this is no setting of a clock: it is kept right in small steps, and put together they count. */
const LEAST_SETBACK_MS = 1000

/**
 * A clock that tells of a setback before it tells the time: whoever asks it what time it is sets a time by the clock as it is
 * now, and all that was set before has been brought forward. However long an action takes, there is nothing in between.
 */
export class SetbackClock implements Clock {
  readonly #clock: Clock
  readonly #onSetback: (byMs: number) => void
  /** Of the wall clock to the monotonic one, when it was looked at last. */
  #leadMs: number

  /** `onSetback` hears by how much, in ms; what it reads of this clock is the time of now. */
  constructor(clock: Clock, onSetback: (byMs: number) => void) {
    this.#clock = clock
    this.#onSetback = onSetback
    this.#leadMs = clock.nowMs() - clock.monotonicMs()
  }

  nowMs(): number {
    const nowMs = this.#clock.nowMs()
    const backMs = this.#leadMs - (nowMs - this.#clock.monotonicMs())
    if (backMs > 0 && backMs < LEAST_SETBACK_MS) return nowMs
    this.#leadMs -= backMs
    if (backMs > 0) this.#onSetback(backMs)
    return nowMs
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  bootId(): string | undefined {
    return this.#clock.bootId()
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return this.#clock.sleep(ms, signal)
  }
}

/** The next attempts and questions, as the wall clock shows them now. */
export function bringForward(memory: Memory, byMs: number): void {
  memory.nextTokenQuestionMs -= byMs
  if (memory.nextRecheckMs !== undefined) memory.nextRecheckMs -= byMs
  const ofBoth = [memory, memory.serving].flatMap(({ failedHooks, failedProtection, failedRestore }) => [
    failedHooks,
    failedProtection,
    failedRestore,
  ])
  for (const failed of [memory.failedRecheck, memory.failedPublish, ...ofBoth])
    if (failed !== undefined) failed.nextAttemptMs -= byMs
}
