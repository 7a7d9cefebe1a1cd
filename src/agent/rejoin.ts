/** How often, and whether at all, a node that has lost its certificate may ask for another with the bootstrap credential. Pure. */
import type { KeyLedger, UnreadableLedger } from '../store/key-ledger.ts'

/** Keys made with the bootstrap credential within `BUDGET_SPAN_MS`: what makes more of them necessary is no accident. */
export const REJOIN_BUDGET = 6
export const BUDGET_SPAN_MS = 60 * 60 * 1000

/** When keys were made, in ms since the epoch, and when those that count although nobody knows of them. */
export interface KeyTimes {
  keysMadeAtMs: readonly number[]
  keysAssumedAtMs: readonly number[]
}

export const NO_KEYS: KeyTimes = { keysMadeAtMs: [], keysAssumedAtMs: [] }

/**
 * The times of a ledger that concern a configuration, by its digest. One that cannot be read leaves a single key: a node
 * that needs it is not stranded, and a damaged file hands out no new budget.
 */
export function timesOf(ledger: KeyLedger | UnreadableLedger | undefined, configurationDigest: string): KeyTimes {
  if (ledger === undefined) return NO_KEYS
  if ('writtenAtMs' in ledger)
    return { keysMadeAtMs: [], keysAssumedAtMs: Array<number>(REJOIN_BUDGET - 1).fill(ledger.writtenAtMs) }
  if (ledger.configurationDigest !== configurationDigest) return NO_KEYS
  return { keysMadeAtMs: ledger.madeAtMs, keysAssumedAtMs: ledger.assumedAtMs }
}

/**
 * The times that still count at `nowMs`, oldest first. Those from the future were written by a clock that was wrong, and
 * count for nothing.
 */
export const countingTimes = (madeAtMs: readonly number[], nowMs: number): number[] =>
  madeAtMs.filter((ms) => ms <= nowMs && nowMs < ms + BUDGET_SPAN_MS).sort((one, other) => one - other)

/** Until when no further key may be made, in ms since the epoch; undefined where one may be made now. */
export function budgetSpentUntilMs({ keysMadeAtMs, keysAssumedAtMs }: KeyTimes, nowMs: number): number | undefined {
  const oldestThatCounts = countingTimes([...keysMadeAtMs, ...keysAssumedAtMs], nowMs).at(-REJOIN_BUDGET)
  return oldestThatCounts === undefined ? undefined : oldestThatCounts + BUDGET_SPAN_MS
}

/** What the budget was spent on, as far as that is known. `what`: the keys were made for. */
export function spentBudget({ keysMadeAtMs, keysAssumedAtMs }: KeyTimes, what: string): string {
  const assumed = Math.min(keysAssumedAtMs.length, REJOIN_BUDGET)
  if (assumed === 0) return `${REJOIN_BUDGET} keys were made ${what} within an hour`
  const made = keysMadeAtMs.length === 1 ? '1 key was made' : `${keysMadeAtMs.length} keys were made`
  return `${made} ${what} since keys-made.json was damaged, and ${assumed} more count because nobody knows how many there were in the hour before`
}
