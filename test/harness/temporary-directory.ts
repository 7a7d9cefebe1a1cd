/** Real directories that end with the test they belong to: one for each test of a suite, or one for a block. */
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'mocha'

export interface SuiteDirectory {
  /** Of the running test; reading it outside of one throws. */
  readonly path: string
  /** A path inside it. */
  join(...parts: string[]): string
}

/** To be called in a `describe`. */
export function useTemporaryDirectory(): SuiteDirectory {
  let current: string | undefined
  beforeEach(() => {
    current = mkdtempSync(join(tmpdir(), 'node-bootstrap-test-'))
  })
  afterEach(() => {
    if (current !== undefined) rmSync(current, { recursive: true, force: true })
    current = undefined
  })
  const path = () => {
    if (current === undefined) throw new Error('there is a temporary directory only while a test runs')
    return current
  }
  return {
    get path() {
      return path()
    },
    join: (...parts) => join(path(), ...parts),
  }
}

export interface TemporaryDirectory extends AsyncDisposable {
  path: string
}

/** `await using directory = await temporaryDirectory()` removes it at the end of the block. */
export async function temporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), 'node-bootstrap-test-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
