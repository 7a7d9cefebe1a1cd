/** One agent to a runtime directory: a file that names the process, valid only while that very process lives. */
import { join } from 'node:path'
import { BootstrapError } from '../lib/errors.ts'
import { numberAt, parseJson, textAt } from '../lib/json.ts'
import type { Files } from '../lib/ports.ts'
import { processStartTime } from './process-identity.ts'

const MAX_LOCK_BYTES = 4096

export interface InstanceLock {
  release: () => Promise<void>
}

async function holder(files: Files, path: string): Promise<number | undefined> {
  const value = parseJson((await files.read(path, MAX_LOCK_BYTES)) ?? new Uint8Array())
  const pid = numberAt(value, 'pid')
  if (pid === undefined || pid === process.pid) return undefined
  return (await processStartTime(pid)) === textAt(value, 'startTime') ? pid : undefined
}

/** Throws `already-running` while another agent holds it; what a killed one left behind is taken over. */
export async function acquireInstanceLock(files: Files, runtimeDirectory: string): Promise<InstanceLock> {
  const path = join(runtimeDirectory, 'agent.lock')
  await files.makeDirectory(runtimeDirectory, 0o755)
  const pid = await holder(files, path)
  if (pid !== undefined)
    throw new BootstrapError('already-running', `another node-bootstrap runs already (pid ${pid}, ${runtimeDirectory})`)
  await files.remove(path)
  const startTime = await processStartTime(process.pid)
  await files.createSynced(path, Buffer.from(JSON.stringify({ pid: process.pid, startTime })), 0o644)
  return { release: () => files.remove(path) }
}
