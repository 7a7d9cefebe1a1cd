/** How long to wait after a failure: the one place that knows about retrying. Pure. */
import type { BootstrapError } from '../lib/errors.ts'

const BASE_MS = 1000
const CAP_MS = 2 * 60 * 1000
/** Jitter reaches down to nothing; this keeps an unlucky series from becoming a tight loop. */
const FLOOR_MS = 200
/** A signature that lags is a matter of seconds: within an attempt it is looked for often. */
const LAG_CAP_MS = 5000
/** What only a person can mend is looked at again this often, so that mending it on the cluster's side is enough. */
const HOLD_MS = 10 * 60 * 1000

/** After the first refusal of a renewal; each further one in a row doubles it. */
const REFUSAL_PAUSE_MS = 60 * 1000
const LONGEST_REFUSAL_PAUSE_MS = 60 * 60 * 1000

/** How long a refused renewal is left alone while the certificate is valid; `count` refusals in a row, 1 at least. */
export const refusedRenewalPauseMs = (count: number): number =>
  Math.min(LONGEST_REFUSAL_PAUSE_MS, REFUSAL_PAUSE_MS * 2 ** (count - 1))

export interface Failure {
  error: BootstrapError
  /** 1 for the first failure since the last progress. */
  count: number
  /** Since the first attempt after the last progress. */
  elapsedMs: number
  /** discovery.timeout: how long one attempt may go on. */
  attemptMs: number
  /** The longest pause, where it is another than two minutes. */
  longestMs?: number | undefined
}

/** Whether the failure is one that trying again soon may mend. */
export function isTransient({ error, elapsedMs, attemptMs }: Failure): boolean {
  return error.retryable === 'until-deadline' ? elapsedMs < attemptMs : error.retryable
}

/** `fraction` is uniform in [0, 1). Full jitter, capped; `Retry-After` is a lower bound, itself jittered upwards. */
export function retryDelayMs(failure: Failure, fraction: number): number {
  if (!isTransient(failure)) return HOLD_MS * (0.75 + fraction / 2)
  const capMs = failure.error.retryable === 'until-deadline' ? LAG_CAP_MS : (failure.longestMs ?? CAP_MS)
  const ceilingMs = Math.min(capMs, BASE_MS * 2 ** (failure.count - 1))
  const jitteredMs = FLOOR_MS + fraction * (ceilingMs - FLOOR_MS)
  return (failure.error.retryAfterMs ?? 0) + jitteredMs
}
