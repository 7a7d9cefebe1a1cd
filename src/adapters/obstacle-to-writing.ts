/** What keeps everybody from writing to a directory, as far as its file system says so to anybody. It writes nothing. */
import { accessSync, constants, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { textAt } from '../lib/json.ts'

/** Of the directory, or of the nearest one on the way that is there. Undefined where nothing is in the way. */
export function obstacleToWriting(directory: string): string | undefined {
  try {
    const { bavail, files, ffree } = statfsSync(directory)
    if (isReadOnly(directory)) return `the file system of ${directory} is read-only`
    // Some file systems make inodes as they need them, and say that there are none.
    if (bavail === 0 || (files > 0 && ffree === 0)) return `the file system of ${directory} is full`
    return undefined
  } catch {
    return dirname(directory) === directory ? undefined : obstacleToWriting(dirname(directory))
  }
}

function isReadOnly(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK)
    return false
  } catch (thrown) {
    return textAt(thrown, 'code') === 'EROFS'
  }
}
