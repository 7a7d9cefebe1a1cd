/** Keeps what may be done at any time from being done too often. */
import type { Clock } from '../lib/ports.ts'

/** Does `effect` when it is called, unless it was done less than `everyMs` ago. */
export function sparingly(effect: () => void, everyMs: number, clock: Pick<Clock, 'monotonicMs'>): () => void {
  let nextMs = -Infinity
  return () => {
    if (clock.monotonicMs() < nextMs) return
    nextMs = clock.monotonicMs() + everyMs
    effect()
  }
}
