/** Holds the state directory against a second agent, also where its disk can take no lock until later. */
import type { InstanceLock } from '../adapters/instance-lock.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Clock, Log } from '../lib/ports.ts'

/** How soon a disk that has been mended holds the lock: until then another agent, or `renew`, would not see this one. */
const RETRY_MS = 1000

export interface StateLock {
  /** Aborts, with `already-running` as its reason, when another agent was quicker on a disk that could take no lock. */
  readonly lost: AbortSignal
  release: () => Promise<void>
}

const isHeldByAnother = (thrown: unknown): boolean =>
  thrown instanceof BootstrapError && thrown.code === 'already-running'

/**
 * Throws `already-running`. Any other failure of `acquire` is one of the disk, which the loop tells, waits out and
 * survives: no reason to end here. The lock is then tried for until it is held or released.
 */
export async function lockState(
  acquire: () => Promise<InstanceLock>,
  { clock, log }: { clock: Pick<Clock, 'sleep'>; log: Pick<Log, 'warn' | 'info'> },
): Promise<StateLock> {
  const lost = new AbortController()
  const released = new AbortController()
  /** Undefined where the disk fails. */
  const tryOnce = (): Promise<InstanceLock | undefined> =>
    acquire().catch((thrown: unknown) => {
      if (isHeldByAnother(thrown)) throw thrown
      return undefined
    })
  const keepTrying = async (): Promise<InstanceLock | undefined> => {
    while (!released.signal.aborted) {
      await clock.sleep(RETRY_MS, released.signal)
      const later = await tryOnce()
      if (later === undefined) continue
      log.info('the state directory is locked against a second agent')
      return later
    }
    return undefined
  }
  const atOnce = await tryOnce()
  if (atOnce !== undefined) return { lost: lost.signal, release: atOnce.release }
  log.warn('the state directory cannot be locked against a second agent; this is tried again')
  const later = keepTrying().catch((thrown: unknown) => {
    lost.abort(thrown)
    return undefined
  })
  return {
    lost: lost.signal,
    release: async () => {
      released.abort()
      await (await later)?.release()
    },
  }
}
