/** What a process costs, as /proc tells it (proc(5)): memory, processor time, wake-ups. */
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** In kB, from smaps_rollup. */
export interface Memory {
  rss: number
  pss: number
}

export async function memoryOf(pid: number): Promise<Memory> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1])
  return { rss: field('Rss'), pss: field('Pss') }
}

/** The unit of times in /proc is 10 ms on every architecture that Linux has today (sysconf(_SC_CLK_TCK)). */
const TICK_MS = 10

/** Of the process itself and of the children that have ended. */
export async function processorMsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name before it, in parentheses, may hold spaces; utime to cstime are the fields 14 to 17.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * TICK_MS
}

const SAMPLE_MS = 100

/** Moments in which any thread of a process ran after all of them had slept; what follows within a tenth of a second is one. */
export const WakeUps = {
  async countDuring(pid: number, ms: number): Promise<number> {
    const endMs = performance.now() + ms
    let wakeUps = 0
    let before = await switchesOf(pid)
    let wasAwake = false
    while (performance.now() < endMs) {
      await delay(SAMPLE_MS)
      const now = await switchesOf(pid)
      const isAwake = now !== before
      if (isAwake && !wasAwake) wakeUps += 1
      before = now
      wasAwake = isAwake
    }
    return wakeUps
  },
}

/** How often its threads have left a processor. */
async function switchesOf(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`)
  const counts = await Promise.all(
    threads.map(async (thread) => {
      const text = await readFile(`/proc/${pid}/task/${thread}/status`, 'utf8').catch(() => '')
      return [...text.matchAll(/ctxt_switches:\s+(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0)
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}
