/** A clock that stands still until it is told to go on: sleepers wake in their order, as if the time between had passed. */
import type { Clock } from '../../../src/lib/ports.ts'

interface Sleeper {
  atMs: number
  wake: () => void
}

let boots = 0

/** Of all clocks: one that begins where another one stood is no clock of the same boot. */
const nextBoot = (): number => (boots += 1)

export class SimulatedClock implements Clock {
  #nowMs: number
  #monotonicMs = 0
  #boot = nextBoot()
  #sleepers: Sleeper[] = []

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  bootId(): string {
    return `boot-${this.#boot}`
  }

  /** From now on the monotonic clock says nothing of what it said before. */
  reboot(): void {
    this.#boot = nextBoot()
  }

  get sleepers(): number {
    return this.#sleepers.length
  }

  /** Until the next sleeper wakes; undefined where nobody sleeps. */
  get nextInMs(): number | undefined {
    const [next] = this.#sleepers
    return next === undefined ? undefined : next.atMs - this.#monotonicMs
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const sleeper = { atMs: this.#monotonicMs + Math.max(ms, 0), wake: resolve }
      const place = this.#sleepers.findIndex(({ atMs }) => atMs > sleeper.atMs)
      this.#sleepers.splice(place === -1 ? this.#sleepers.length : place, 0, sleeper)
      signal.addEventListener(
        'abort',
        () => {
          this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
          resolve()
        },
        { once: true },
      )
    })
  }

  /** Both clocks go on, and who is due by then wakes. */
  pass(ms: number): void {
    this.#nowMs += ms
    this.#monotonicMs += ms
    const due = this.#sleepers.filter(({ atMs }) => atMs <= this.#monotonicMs)
    this.#sleepers = this.#sleepers.slice(due.length)
    for (const { wake } of due) wake()
  }

  /** The wall clock alone, as by an administrator or after a suspend. */
  step(ms: number): void {
    this.#nowMs += ms
  }
}
