/** The clock and random ports, over the machine's own. */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock, Random } from '../lib/ports.ts'
import { bootId } from './process-identity.ts'

/** Node's timers fire at once beyond this (2^31 - 1 ms, 24.8 days). */
const LONGEST_TIMER_MS = 2_147_483_647

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  // Not performance.now(): Node.js loads twelve modules for it, which then stay.
  monotonicMs: () => Number(process.hrtime.bigint()) / 1e6,
  // CLOCK_MONOTONIC begins with the boot, for every process.
  bootId: () => bootId(),
  sleep: async (ms, signal) => {
    try {
      await delay(Math.min(Math.max(ms, 0), LONGEST_TIMER_MS), undefined, { signal })
    } catch {
      // Only the abort rejects here, and an abort is an ordinary end of a sleep.
    }
  },
}

export const systemRandom: Random = {
  fraction: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
}
