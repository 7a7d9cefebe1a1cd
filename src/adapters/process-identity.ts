/** Tells one process from a later one that was given the same pid, by its start time from /proc (proc_pid_stat(5)). */
import { readFile } from 'node:fs/promises'

/** Clock ticks since boot, as text; undefined where no such process runs. The command's name may hold spaces and parentheses. */
export async function processStartTime(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
