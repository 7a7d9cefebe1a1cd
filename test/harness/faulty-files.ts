/** The files port over real files, which records every effect and can end the world after any number of them. */
import { nodeFiles } from '../../src/adapters/files.ts'
import type { Files } from '../../src/lib/ports.ts'

export class Crash extends Error {
  override readonly name = 'Crash'
}

export interface FaultyFiles {
  files: Files
  /** One line for each effect: its verb and what it was done to. */
  effects: string[]
}

/** The effect number `effectsLeft` (from 0) is not performed any more, nor is any after it: a Crash is thrown. */
export function faultyFiles(effectsLeft = Number.POSITIVE_INFINITY): FaultyFiles {
  const effects: string[] = []
  const effect = async (description: string, perform: () => Promise<void>): Promise<void> => {
    if (effects.length >= effectsLeft) throw new Crash(description)
    effects.push(description)
    await perform()
  }
  const name = (path: string): string => path.split('/').pop() ?? ''
  const files: Files = {
    ...nodeFiles,
    makeDirectory: (path, mode) =>
      effect(`makeDirectory ${mode.toString(8)}`, () => nodeFiles.makeDirectory(path, mode)),
    createSynced: (path, data, mode, modifiedMs) =>
      effect(`create ${name(path)} ${mode.toString(8)}`, () => nodeFiles.createSynced(path, data, mode, modifiedMs)),
    symlink: (target, path) => effect(`link ${name(path)}`, () => nodeFiles.symlink(target, path)),
    rename: (from, to) => effect(`rename ${name(from)} ${name(to)}`, () => nodeFiles.rename(from, to)),
    remove: (path) => effect(`remove ${name(path)}`, () => nodeFiles.remove(path)),
    syncDirectory: (path) => effect('sync directory', () => nodeFiles.syncDirectory(path)),
  }
  return { files, effects }
}
