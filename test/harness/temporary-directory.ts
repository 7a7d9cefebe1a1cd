/** One fresh directory for each test of a suite, gone after it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'mocha'

export interface TemporaryDirectory {
  /** Of the running test; reading it outside of one throws. */
  readonly path: string
  /** A path inside it. */
  join(...parts: string[]): string
}

/** To be called in a `describe`. */
export function useTemporaryDirectory(): TemporaryDirectory {
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
