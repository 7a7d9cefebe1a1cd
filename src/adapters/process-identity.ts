/** What a process is known by: its name in lists, and the start time that tells it from a later one with the same pid. */
import { readFileSync, writeFileSync } from 'node:fs'

/**
 * The name that ps, top and systemctl show of this process: Node.js calls it MainThread. Its arguments stay as they are, which
 * `process.title` would overwrite. At most 15 bytes; where it cannot be set (proc_pid_comm(5)), nothing depends on it.
 */
export function nameThisProcess(name: string): void {
  try {
    writeFileSync('/proc/self/comm', name)
  } catch {
    return
  }
}

/**
 * Which boot of the machine this is, to this process or, as that one sees it, to the process whose `root` it is: a container
 * may show a boot id of its own, and a sandboxed unit in it the machine's.
 */
export function bootId(root = ''): string | undefined {
  try {
    return readFileSync(`${root}/proc/sys/kernel/random/boot_id`, 'latin1').trim()
  } catch {
    return undefined
  }
}

/** Clock ticks since boot (proc_pid_stat(5)), as text; undefined where no such process runs. The command's name may hold spaces and parentheses. */
export function processStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
