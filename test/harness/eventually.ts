/** Waiting for something outside this process that offers no event to wait for. The only loop of that kind in the tests. */
import { setTimeout as delay } from 'node:timers/promises'

export interface EventuallyOptions {
  deadlineMs: number
  /** Rejects when waiting is pointless, for instance because the process that is asked has ended. */
  hopeless?: Promise<never>
}

/**
 * Asks until `probe` answers something else than undefined, with a short, growing pause between.
 * A probe that throws counts as "not yet"; after the deadline its last error is the cause.
 */
export async function eventually<Answer>(
  what: string,
  options: EventuallyOptions,
  probe: () => Promise<Answer | undefined>,
): Promise<Answer> {
  const asking = ask(what, options.deadlineMs, probe)
  if (options.hopeless === undefined) return asking.answer
  asking.answer.catch(() => undefined)
  try {
    return await Promise.race([asking.answer, options.hopeless])
  } finally {
    asking.giveUp()
  }
}

function ask<Answer>(what: string, deadlineMs: number, probe: () => Promise<Answer | undefined>) {
  const state = { stopped: false }
  const endMs = performance.now() + deadlineMs
  const loop = async (): Promise<Answer> => {
    let lastError: unknown
    for (let pauseMs = 20; !state.stopped && performance.now() < endMs; pauseMs = Math.min(pauseMs * 1.5, 250)) {
      try {
        const answer = await probe()
        if (answer !== undefined) return answer
      } catch (error) {
        lastError = error
      }
      await delay(pauseMs)
    }
    const last = lastError instanceof Error ? ` (${lastError.message})` : ''
    throw new Error(`not within ${deadlineMs} ms: ${what}${last}`, { cause: lastError })
  }
  return {
    answer: loop(),
    giveUp: () => {
      state.stopped = true
    },
  }
}
