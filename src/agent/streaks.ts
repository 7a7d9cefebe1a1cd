/** How often a failure of one kind has come in a row: what its backoff grows by. */

/** A failure of a kind that was not seen for this long begins a new series. */
const STREAK_MEMORY_MS = 5 * 60_000

export class Streaks {
  readonly #streaks = new Map<string, { count: number; atMs: number }>()

  /** The count with this one; `atMs` is of the monotonic clock. */
  count(code: string, atMs: number): number {
    const last = this.#streaks.get(code)
    const count = last === undefined || atMs - last.atMs > STREAK_MEMORY_MS ? 1 : last.count + 1
    this.#streaks.set(code, { count, atMs })
    return count
  }

  clear(): void {
    this.#streaks.clear()
  }
}
