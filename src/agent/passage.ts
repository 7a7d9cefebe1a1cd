/** Whether a directory lets others than its owner pass, by the modes of it and of all above it. */
import { dirname } from 'node:path'
import type { Files } from '../lib/ports.ts'

/** Bits of a directory's mode, one of which lets them pass. The owner of what is in it may be one of its group. */
export const PASS = { all: 0o001, group: 0o011, owner: 0o011 } as const

/** A directory on the way that others may not pass protects what is in it. */
export async function isPassable(files: Pick<Files, 'stat'>, directory: string, bits: number): Promise<boolean> {
  const facts = await files.stat(directory)
  if (facts === undefined || (facts.mode & bits) === 0) return false
  const parent = dirname(directory)
  return parent === directory || (await isPassable(files, parent, bits))
}
