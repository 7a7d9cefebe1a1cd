/** How often, and whether at all, a node that has lost its certificate may ask for another with the bootstrap credential. Pure. */
import type { KeyLedger, UnreadableLedger } from '../store/key-ledger.ts'

/** Keys made with the bootstrap credential within `BUDGET_SPAN_MS`: what makes more of them necessary is no accident. */
export const REJOIN_BUDGET = 6
export const BUDGET_SPAN_MS = 60 * 60 * 1000

/**
 * The times of a ledger that concern a configuration, by its digest. One that cannot be read leaves a single key: a node
 * that needs it is not stranded, and a damaged file hands out no new budget.
 */
export function timesOf(
  ledger: KeyLedger | UnreadableLedger | undefined,
  configurationDigest: string,
): readonly number[] {
  if (ledger === undefined) return []
  if ('writtenAtMs' in ledger) return Array<number>(REJOIN_BUDGET - 1).fill(ledger.writtenAtMs)
  return ledger.configurationDigest === configurationDigest ? ledger.madeAtMs : []
}

/**
 * The times that still count at `nowMs`, oldest first. Those from the future were written by a clock that was wrong, and
 * count for nothing.
 */
export const countingTimes = (madeAtMs: readonly number[], nowMs: number): number[] =>
  madeAtMs.filter((ms) => ms <= nowMs && nowMs < ms + BUDGET_SPAN_MS).sort((one, other) => one - other)

/** Until when no further key may be made, in ms since the epoch; undefined where one may be made now. */
export function budgetSpentUntilMs(madeAtMs: readonly number[], nowMs: number): number | undefined {
  const oldestThatCounts = countingTimes(madeAtMs, nowMs).at(-REJOIN_BUDGET)
  return oldestThatCounts === undefined ? undefined : oldestThatCounts + BUDGET_SPAN_MS
}
