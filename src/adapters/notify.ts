/**
 * The notify port: READY and STATUS by the systemd-notify package, the rest by the same binary. Outside systemd nothing
 * happens, and a failure is never more than a debug line.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { printable } from '../lib/text.ts'
import type { Log, Notify } from '../lib/ports.ts'

const BINARY = '/usr/bin/systemd-notify'
const run = promisify(execFile)

/** `socket` is $NOTIFY_SOCKET. */
export function createNotify(socket: string | undefined, log: Log): Notify {
  const attempt = async (what: string, effect: () => Promise<unknown>): Promise<void> => {
    if (socket === undefined) return
    try {
      await effect()
    } catch {
      log.debug('systemd was not notified', { what })
    }
  }
  const assign = (what: string, ...assignments: string[]): Promise<void> =>
    attempt(what, () => run(BINARY, ['--no-block', `--pid=${process.pid}`, ...assignments]))
  const monotonicMicroseconds = (): string => String(process.hrtime.bigint() / 1000n)

  return {
    ready: () => attempt('ready', async () => (await systemdNotify())({ ready: true })),
    // A newline in a status would smuggle in another assignment.
    status: (text) => attempt('status', async () => (await systemdNotify())({ status: printable(text, 500) })),
    reloading: () => assign('reloading', 'RELOADING=1', `MONOTONIC_USEC=${monotonicMicroseconds()}`),
    stopping: () => assign('stopping', 'STOPPING=1'),
  }
}

async function systemdNotify(): Promise<(options: { ready?: boolean; status?: string }) => Promise<void>> {
  return (await import('systemd-notify')).default
}
