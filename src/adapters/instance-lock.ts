/** One agent to a state directory: a file that names the process, valid only while that very process lives. */
import { join } from 'node:path'
import { BootstrapError } from '../lib/errors.ts'
import { numberAt, parseJson, textAt } from '../lib/json.ts'
import type { Files } from '../lib/ports.ts'
import { link, rename, rm, writeFile } from './file-changes.ts'
import { readRegularFile } from './files.ts'
import { bootId, processStartTime } from './process-identity.ts'

export interface InstanceLock {
  release: () => Promise<void>
}

/** Of the process that the lock names and that lives; undefined for a lock that a killed process, or a boot, left behind. */
function holder(content: Uint8Array): number | undefined {
  const value = parseJson(content)
  const pid = numberAt(value, 'pid')
  if (pid === undefined || pid === process.pid) return undefined
  if (processStartTime(pid) !== textAt(value, 'startTime')) return undefined
  const boot = textAt(value, 'boot')
  return boot !== undefined && [bootId(), bootId(`/proc/${pid}/root`)].includes(boot) ? pid : undefined
}

/** The pid of the agent that runs on this state directory; undefined where none does. */
export function instanceLockHolder(stateDirectory: string): number | undefined {
  const content = read(lockPath(stateDirectory))
  return content === undefined ? undefined : holder(content)
}

export const lockPath = (stateDirectory: string): string => join(stateDirectory, 'agent.lock')

/** A lock is a line. */
const MAX_LOCK_BYTES = 4096

/** Undefined where it is absent or cannot be read. */
function read(path: string): Uint8Array | undefined {
  try {
    return readRegularFile(path, MAX_LOCK_BYTES)
  } catch {
    return undefined
  }
}

/**
 * Throws `already-running` while another agent holds it. The lock appears complete and at once, by a link that fails where
 * there is one; a stale one is first moved away, so that of two that find it only one removes it. What cannot be read may be
 * another's: it stays, and says so.
 */
export async function acquireInstanceLock(files: Files, stateDirectory: string): Promise<InstanceLock> {
  await files.makeDirectory(stateDirectory, 0o700)
  const path = lockPath(stateDirectory)
  const own = `${path}.${process.pid}`
  const mine = JSON.stringify({
    pid: process.pid,
    startTime: processStartTime(process.pid),
    boot: bootId(),
  })
  try {
    await writeFile(own, mine, { mode: 0o600 })
    for (;;) {
      if (await linked(own, path)) {
        await removeRemains(files, stateDirectory)
        return { release: () => release(path, mine) }
      }
      // A link that leads nowhere is stale, too.
      const content = (await files.read(path, MAX_LOCK_BYTES)) ?? Buffer.alloc(0)
      const pid = holder(content)
      if (pid !== undefined)
        throw new BootstrapError(
          'already-running',
          `another node-bootstrap runs already (pid ${pid}, ${stateDirectory})`,
        )
      await moveAway(path, content)
    }
  } finally {
    await rm(own, { force: true })
  }
}

async function linked(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path)
    return true
  } catch (thrown) {
    if (textAt(thrown, 'code') === 'EEXIST') return false
    throw thrown
  }
}

/** What a process left that was killed on its way to the lock. One that lives is on its way still. */
async function removeRemains(files: Files, stateDirectory: string): Promise<void> {
  for (const name of await files.list(stateDirectory)) {
    const pid = /^agent\.lock\.(?:stale\.)?(\d{1,10})$/.exec(name)?.[1]
    if (pid === undefined || Number(pid) === process.pid) continue
    if (processStartTime(Number(pid)) === undefined) await files.remove(join(stateDirectory, name))
  }
}

/** What is moved away may by now be another's fresh lock: then it is put back. */
async function moveAway(path: string, stale: Uint8Array): Promise<void> {
  const aside = `${path}.stale.${process.pid}`
  await rename(path, aside).catch(() => undefined)
  const moved = read(aside)
  if (moved !== undefined && !Buffer.from(moved).equals(stale)) await linked(aside, path)
  await rm(aside, { force: true })
}

async function release(path: string, mine: string): Promise<void> {
  if (Buffer.from(read(path) ?? []).toString() === mine) await rm(path, { force: true })
}
