/** The value of --timeout, for the commands that have one. */
import { durationBetween } from '../config/duration.ts'
import { BootstrapError } from '../lib/errors.ts'

/** In ms; undefined where it is not given. Throws `usage`. */
export function parseTimeout(text: string | boolean | undefined): number | undefined {
  if (typeof text !== 'string') return undefined
  const parsed = durationBetween('1s', '576h')(text)
  if ('value' in parsed) return parsed.value
  throw new BootstrapError('usage', `--timeout ${parsed.message}; ${parsed.expected}`)
}
