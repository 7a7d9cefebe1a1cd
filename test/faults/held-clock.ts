/** The real time, but for the agent's pauses: each lasts until the test lets it end, and both clocks have then gone on by it. */
import type { Clock } from '../../src/lib/ports.ts'

export class HeldClock implements Clock {
  #passedMs = 0
  #held: { ms: number; end: () => void } | undefined
  #begun = Promise.withResolvers<undefined>()

  nowMs(): number {
    return Date.now() + this.#passedMs
  }

  monotonicMs(): number {
    return performance.now() + this.#passedMs
  }

  bootId(): undefined {
    return undefined
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const end = (): void => {
        this.#held = undefined
        this.#begun = Promise.withResolvers()
        resolve()
      }
      this.#held = { ms, end }
      signal.addEventListener('abort', end, { once: true })
      this.#begun.resolve(undefined)
    })
  }

  /** Resolves while a pause is on, or as soon as one begins. */
  async paused(): Promise<void> {
    await this.#begun.promise
  }

  endPause(): void {
    this.#passedMs += this.#held?.ms ?? 0
    this.#held?.end()
  }
}
