/** What a process is known by: its name in lists, and the start time that tells it from a later one with the same pid. */
import { readFile, writeFile } from 'node:fs/promises'

/**
 * The name that ps, top and systemctl show of this process: Node.js calls it MainThread. Its arguments stay as they are, which
 * `process.title` would overwrite. At most 15 bytes; where it cannot be set (proc_pid_comm(5)), nothing depends on it.
 */
export async function nameThisProcess(name: string): Promise<void> {
  await writeFile('/proc/self/comm', name).catch(() => undefined)
}

/** Clock ticks since boot (proc_pid_stat(5)), as text; undefined where no such process runs. The command's name may hold spaces and parentheses. */
export async function processStartTime(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
