/** Durations as Go writes them ("1h30m", "1.5h", "100ms"): every one has a unit, none is negative. */
import type { Parsed } from './problems.ts'

const unitMs: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3], // U+00B5, the micro sign
  ['μs', 1e-3], // U+03BC, the Greek letter
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
])

const expected = 'a duration with its unit, such as 90s, 5m or 1h30m'

/** Milliseconds, rounded. The grammar is that of Go's time.ParseDuration, except that a sign and a bare 0 are refused. */
export function parseDuration(text: string): Parsed<number> {
  if (text === '') return { message: 'is empty', expected }
  if (text.startsWith('-')) return { message: 'is negative', expected }
  if (/^[\d.]+$/.test(text)) return { message: 'has no unit', expected }
  const part = /(\d+\.?\d*|\.\d+)([a-zµμ]+)/uy
  let sumMs = 0
  while (part.lastIndex < text.length) {
    const [, amount, unit] = part.exec(text) ?? []
    if (amount === undefined || unit === undefined) return { message: 'is no duration', expected }
    const factor = unitMs.get(unit)
    if (factor === undefined) return { message: 'has a unit that durations lack', expected: unitHint(unit) }
    sumMs += Number(amount) * factor
  }
  return { value: Math.round(sumMs) }
}

/** A parser for durations of `minimum` to `maximum`, both written as durations. */
export function durationBetween(minimum: string, maximum: string): (text: string) => Parsed<number> {
  const fromMs = wellKnownMs(minimum)
  const toMs = wellKnownMs(maximum)
  return (text) => {
    const parsed = parseDuration(text)
    if (!('value' in parsed)) return parsed
    if (parsed.value < fromMs) return { message: 'is too short', expected: `at least ${minimum}` }
    if (parsed.value > toMs) return { message: 'is too long', expected: `at most ${maximum}` }
    return parsed
  }
}

function unitHint(unit: string): string {
  if (/^(d|day|days)$/.test(unit)) return 'hours for days, such as 24h for one'
  if (/^(w|week|weeks)$/.test(unit)) return 'hours for weeks, such as 168h for one'
  return 'one of the units h, m, s, ms, us, ns'
}

function wellKnownMs(text: string): number {
  const parsed = parseDuration(text)
  if (!('value' in parsed)) throw new TypeError(`the bound ${text} ${parsed.message}`)
  return parsed.value
}
