/** How the loop spends its time: it sleeps no longer than a minute, and says by when it will have got on or come round again. */
import type { Clock } from '../lib/ports.ts'

/** Timers do not follow the wall clock: a suspended or stepped machine is noticed within this. */
const LONGEST_SLEEP_MS = 60_000
/** No action takes longer, but for the parts of it that it gives a time of their own: docs/adr/0011 has the bound of each. */
export const LONGEST_ACTION_MS = 15 * 60_000
/** By how much a loaded machine may be late. */
const PROMISE_GRACE_MS = 60_000

export class Pace {
  readonly #clock: Clock
  /** When, by the monotonic clock, it will have come round again. */
  #promisedMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#promisedMs = clock.monotonicMs() + LONGEST_ACTION_MS
  }

  /** What was promised is not kept. */
  get isOverdue(): boolean {
    return this.#clock.monotonicMs() > this.#promisedMs
  }

  promiseWithin(ms: number): void {
    this.#promisedMs = this.#clock.monotonicMs() + ms + PROMISE_GRACE_MS
  }

  /** Does what takes `longestMs` at most; then there is time for another action, or for the rest of this one. */
  async during<Value>(longestMs: number, effect: () => Promise<Value>): Promise<Value> {
    this.promiseWithin(longestMs)
    const value = await effect()
    this.promiseWithin(LONGEST_ACTION_MS)
    return value
  }

  /** For `longMs`, which may be Infinity, or until the wall clock is to be looked at again. */
  async sleep(longMs: number, signal: AbortSignal): Promise<void> {
    const ms = Math.min(longMs, LONGEST_SLEEP_MS)
    await this.during(ms, () => this.#clock.sleep(ms, signal))
  }
}
