/** A wall clock that is off, for a child process: libfaketime, with which the monotonic clock stays the real one. */
import { spawnSync } from 'node:child_process'

const HOUR_MS = 3_600_000

/** The environment in which the wall clock is off by `offset` (`-1h`); empty without libfaketime. */
export function withClock(offset: string): Record<string, string> {
  const { stdout } = spawnSync('faketime', ['-f', offset, 'env'], { encoding: 'utf8' })
  const [, library] = /^LD_PRELOAD=(.*)$/m.exec(stdout) ?? []
  if (library === undefined) return {}
  return { LD_PRELOAD: library, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1', FAKETIME_DONT_RESET: '1' }
}

/** The same, by the offset that stands in the file `path` at each look: `+0`, `-1h`. */
export function withClockOf(path: string): Record<string, string> {
  const environment = withClock('+0')
  // It would win over the file.
  delete environment['FAKETIME']
  return { ...environment, FAKETIME_TIMESTAMP_FILE: path, FAKETIME_NO_CACHE: '1' }
}

/** Why no clock can be off here, or undefined. */
export const clockProblem: string | undefined = ((): string | undefined => {
  const { status, stdout, error } = spawnSync(process.execPath, ['-p', 'Date.now()'], {
    encoding: 'utf8',
    env: { ...process.env, ...withClock('-1h') },
  })
  if (error !== undefined || status !== 0) return 'faketime cannot be used'
  return Number(stdout) < Date.now() - HOUR_MS / 2 ? undefined : 'faketime is not installed'
})()
