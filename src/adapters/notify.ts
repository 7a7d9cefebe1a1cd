/**
 * The notify port: READY and STATUS by the systemd-notify package, the rest by the same binary. One notification at a time,
 * in the order in which they were made: two children at once could overtake each other. Outside systemd nothing happens, and a
 * failure is never more than a debug line.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { printable } from '../lib/text.ts'
import type { Log, Notify } from '../lib/ports.ts'

const BINARY = '/usr/bin/systemd-notify'

/** `socket` is $NOTIFY_SOCKET. */
export function createNotify(socket: string | undefined, log: Log): Notify {
  let queue = Promise.resolve()
  const attempt = (what: string, effect: () => Promise<unknown>): Promise<void> => {
    if (socket === undefined) return queue
    queue = queue.then(effect).then(
      () => undefined,
      () => {
        log.debug('systemd was not notified', { what })
      },
    )
    return queue
  }
  // It ends only when systemd has taken the message: of a child that is gone by then it would not know whose it was.
  const assign = (what: string, ...assignments: string[]): Promise<void> => attempt(what, () => run(assignments))
  const monotonicMicroseconds = (): string => String(process.hrtime.bigint() / 1000n)
  let latest: string | undefined

  return {
    ready: () => attempt('ready', async () => (await systemdNotify())({ ready: true })),
    status: (text) => {
      // A newline in a status would smuggle in another assignment.
      latest = printable(text, 500)
      return attempt('status', async () => {
        if (latest === undefined) return
        const status = latest
        latest = undefined
        await (
          await systemdNotify()
        )({ status })
      })
    },
    reloading: () => assign('reloading', 'RELOADING=1', `MONOTONIC_USEC=${monotonicMicroseconds()}`),
    stopping: () => assign('stopping', 'STOPPING=1'),
    watchdog: () => assign('watchdog', 'WATCHDOG=1'),
  }
}

/** Without pipes: there is nothing to hear, and for a sign of life every few minutes they cost more than all the rest of it. */
async function run(assignments: readonly string[]): Promise<void> {
  const [status] = (await once(spawn(BINARY, assignments, { stdio: 'ignore' }), 'exit')) as [number | null]
  if (status !== 0) throw new Error(`${BINARY} ended with ${status}`)
}

async function systemdNotify(): Promise<(options: { ready?: boolean; status?: string }) => Promise<void>> {
  return (await import('systemd-notify')).default
}
