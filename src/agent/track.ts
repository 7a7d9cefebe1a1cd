/**
 * How the way to one certificate fares: its failures in a row, and until when it is left alone after one. Each certificate has
 * its own, so that what fails for one holds up no other. It waits for nothing itself.
 */
import { BootstrapError } from '../lib/errors.ts'
import type { Clock } from '../lib/ports.ts'
import { isTransient, retryDelayMs } from './backoff.ts'
import type { CertificateKind } from './certificate-kind.ts'
import type { Action, RestReason } from './decide.ts'
import { isErrand } from './errands.ts'
import { Streaks } from './streaks.ts'

export interface FailureFacts {
  error: BootstrapError
  transient: boolean
  /** Undefined where no further attempt is made. */
  nextAttemptMs: number | undefined
}

export interface FailurePolicy {
  attemptMs: number
  /** Run once: what trying again soon does not mend, or not before the attempt is over, is the end. */
  once: boolean
  /** Uniform in [0, 1). */
  fraction: number
  /** What is to be done may be another after this, whatever failed. */
  msUntilLapse: number
}

const NOT_HELD = { monotonic: -Infinity, wall: -Infinity }

export class Track {
  readonly kind: CertificateKind
  readonly #clock: Clock
  readonly #streaks = new Streaks()
  #attemptBeganMs: number
  #failure: FailureFacts | undefined
  /** By the monotonic clock, and by the wall clock, which alone goes on in a suspend: until the first of them. */
  #heldUntilMs = NOT_HELD
  /** What has succeeded last, and was not followed by anything else. */
  #done: Action['kind'] | undefined

  constructor(kind: CertificateKind, clock: Clock) {
    this.kind = kind
    this.#clock = clock
    this.#attemptBeganMs = clock.monotonicMs()
  }

  /** The last failure, until something succeeds. */
  get failure(): FailureFacts | undefined {
    return this.#failure
  }

  /** How long it is left alone yet. */
  get heldForMs(): number {
    // Before anything else: it may have been set back, and what it is left alone until with it.
    const nowMs = this.#clock.nowMs()
    const { monotonic, wall } = this.#heldUntilMs
    return Math.max(0, Math.min(monotonic - this.#clock.monotonicMs(), wall - nowMs))
  }

  /** As after a changed configuration: it is left alone no longer. What has failed is told until something succeeds. */
  beginAnew(): void {
    this.#done = undefined
    this.#streaks.clear()
    this.#heldUntilMs = NOT_HELD
    this.beginAttempt()
  }

  /** The wall clock was set back by so much, in ms: the next attempt is as near as it was. */
  bringForward(byMs: number): void {
    const { monotonic, wall } = this.#heldUntilMs
    this.#heldUntilMs = { monotonic, wall: wall - byMs }
    const nextAttemptMs = this.#failure?.nextAttemptMs
    if (this.#failure !== undefined && nextAttemptMs !== undefined)
      this.#failure = { ...this.#failure, nextAttemptMs: nextAttemptMs - byMs }
  }

  beginAttempt(): void {
    this.#attemptBeganMs = this.#clock.monotonicMs()
  }

  /** What has just succeeded and is needed again is not done over and over: that is a failure, and waits as one. */
  begin({ kind }: Action): void {
    const isRepeated = this.#done === kind && kind !== 'await-outcome'
    this.#done = undefined
    if (isRepeated)
      throw new BootstrapError('internal', `${kind} has succeeded, and yet is to be done again`, {
        hint: 'look for another program that changes the files, or two paths in files that are the same place',
      })
  }

  /** An errand is no step of the way: what has failed there goes on failing. */
  succeed({ kind }: Action): void {
    this.#done = kind
    if (isErrand(kind)) return
    this.#failure = undefined
    this.beginAttempt()
  }

  /** There is nothing to do for it. */
  rest(because: RestReason): void {
    this.#failure = undefined
    this.#done = undefined
    if (because !== 'refused') this.#streaks.clear()
  }

  fail(error: BootstrapError, { attemptMs, once, fraction, msUntilLapse }: FailurePolicy): FailureFacts {
    const nowMs = this.#clock.monotonicMs()
    const count = this.#streaks.count(error.code, nowMs)
    const failure = { error, count, elapsedMs: nowMs - this.#attemptBeganMs, attemptMs }
    const transient = isTransient(failure)
    // Who is told to come back only after the attempt is over need not wait for it.
    const isOver = once && (!transient || failure.elapsedMs + (error.retryAfterMs ?? 0) >= attemptMs)
    const delayMs = isOver ? 0 : Math.min(retryDelayMs(failure, fraction), msUntilLapse)
    const nextAttemptMs = this.#clock.nowMs() + delayMs
    this.#heldUntilMs = { monotonic: nowMs + delayMs, wall: nextAttemptMs }
    this.#failure = { error, transient, nextAttemptMs: isOver ? undefined : nextAttemptMs }
    return this.#failure
  }
}
