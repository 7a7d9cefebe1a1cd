/** How several things are waited for at once, with a look at the clock and the disk beside them. It decides nothing. */
import type { Clock } from '../lib/ports.ts'
import type { Pace } from './pace.ts'

/** What is not over by then hangs: the server is asked to end it after 5 minutes. */
const LONGEST_WATCH_MS = 6 * 60_000

/** All at once: the first that ends, and `signal`, end the others. */
export async function untilFirstEnds(
  waits: readonly ((signal: AbortSignal) => Promise<void>)[],
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController()
  const either = AbortSignal.any([signal, over.signal])
  const end = (): void => {
    over.abort()
  }
  await Promise.all(waits.map((wait) => wait(either).finally(end)))
}

export interface Outlook {
  msUntilNews: () => number
  /** Looks whether what is waited for is still the same. */
  isAsBefore: () => Promise<boolean>
}

/** Looks once a minute, as at rest, until that leads elsewhere; no longer than any watch lasts. */
export async function lookOn(
  pace: Pace,
  clock: Clock,
  { msUntilNews, isAsBefore }: Outlook,
  signal: AbortSignal,
): Promise<void> {
  const endMs = clock.monotonicMs() + LONGEST_WATCH_MS
  do await pace.sleep(msUntilNews(), signal)
  while (!signal.aborted && clock.monotonicMs() < endMs && (await isAsBefore()))
}
