/** One agent to a runtime directory: a file that names the process, valid only while that very process lives. */
import { link } from 'node:fs/promises'
import { join } from 'node:path'
import { BootstrapError } from '../lib/errors.ts'
import { numberAt, parseJson, textAt } from '../lib/json.ts'
import type { Files } from '../lib/ports.ts'
import { processStartTime } from './process-identity.ts'

const MAX_LOCK_BYTES = 4096

export interface InstanceLock {
  release: () => Promise<void>
}

type Holder = { kind: 'nobody' } | { kind: 'stale' } | { kind: 'living'; pid: number }

async function holderOf(files: Files, path: string): Promise<Holder> {
  const content = await files.read(path, MAX_LOCK_BYTES)
  if (content === undefined) return { kind: 'nobody' }
  const value = parseJson(content)
  const pid = numberAt(value, 'pid')
  if (pid === undefined || pid === process.pid) return { kind: 'stale' }
  const startTime = await processStartTime(pid)
  return startTime !== undefined && startTime === textAt(value, 'startTime')
    ? { kind: 'living', pid }
    : { kind: 'stale' }
}

/** Throws `already-running` while another agent holds it; what a killed one left behind is taken over. */
export async function acquireInstanceLock(files: Files, runtimeDirectory: string): Promise<InstanceLock> {
  const path = join(runtimeDirectory, 'agent.lock')
  await files.makeDirectory(runtimeDirectory, 0o755)
  const holder = await holderOf(files, path)
  if (holder.kind === 'living') throw alreadyRunning(runtimeDirectory, holder.pid)
  if (holder.kind === 'stale') await setAside(files, path, runtimeDirectory)
  const own = `${path}.${process.pid}`
  const startTime = await processStartTime(process.pid)
  await files.remove(own)
  await files.createSynced(own, Buffer.from(JSON.stringify({ pid: process.pid, startTime })), 0o644)
  try {
    if (!(await putInPlace(own, path))) throw alreadyRunning(runtimeDirectory)
  } finally {
    await files.remove(own)
  }
  return { release: () => files.remove(path) }
}

/** Another one that starts now may have done the same and hold it by now: that one gets it back. */
async function setAside(files: Files, path: string, runtimeDirectory: string): Promise<void> {
  const aside = `${path}.${process.pid}.stale`
  if ((await files.stat(path)) === undefined) return
  await files.rename(path, aside).catch((thrown: unknown) => {
    if (textAt(thrown, 'cause', 'code') !== 'ENOENT') throw thrown
  })
  const holder = await holderOf(files, aside)
  if (holder.kind === 'living') await putInPlace(aside, path)
  await files.remove(aside)
  if (holder.kind === 'living') throw alreadyRunning(runtimeDirectory, holder.pid)
}

/** A link appears whole or not at all, and never in the place of another. */
async function putInPlace(from: string, path: string): Promise<boolean> {
  try {
    await link(from, path)
    return true
  } catch (thrown) {
    const code = textAt(thrown, 'code') ?? 'unknown'
    if (code === 'EEXIST') return false
    throw new BootstrapError('storage-failed', `${path} cannot be linked (${code})`, { cause: thrown })
  }
}

const alreadyRunning = (runtimeDirectory: string, pid?: number): BootstrapError =>
  new BootstrapError(
    'already-running',
    pid === undefined
      ? `another node-bootstrap starts at this moment (${runtimeDirectory})`
      : `another node-bootstrap runs already (pid ${pid}, ${runtimeDirectory})`,
  )
