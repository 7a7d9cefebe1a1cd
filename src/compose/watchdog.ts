/** Feeds systemd's watchdog for as long as the loop keeps its promise of when it comes round again; after that it stays hungry. */
import type { Clock, Log, Notify } from '../lib/ports.ts'

export interface WatchdogPorts {
  clock: Clock
  log: Log
  notify: Pick<Notify, 'watchdog'>
}

/** How often to feed, in milliseconds; undefined where systemd asks this process for nothing (sd_watchdog_enabled(3)). */
export function watchdogIntervalMs(environment: NodeJS.ProcessEnv, pid: number): number | undefined {
  const microseconds = Number(environment['WATCHDOG_USEC'])
  const isOurs = [undefined, String(pid)].includes(environment['WATCHDOG_PID'])
  return isOurs && microseconds > 0 ? microseconds / 2000 : undefined
}

/** Resolves when `stop` aborts. */
export async function feedWatchdog(
  intervalMs: number,
  isLoopOverdue: () => boolean,
  { clock, log, notify }: WatchdogPorts,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    if (isLoopOverdue()) {
      log.error('the loop has not come round as it promised: systemd is to restart this agent')
      return
    }
    await notify.watchdog()
    await clock.sleep(intervalMs, stop)
  }
}
