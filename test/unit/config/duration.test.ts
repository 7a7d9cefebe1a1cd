import assert from 'node:assert/strict'
import { durationBetween, parseDuration } from '../../../src/config/duration.ts'

describe('parseDuration', () => {
  const valid: [name: string, text: string, ms: number][] = [
    ['seconds', '90s', 90_000],
    ['units after each other add up', '1h30m', 5_400_000],
    ['fractions', '1.5h', 5_400_000],
    ['a fraction without a digit before the dot', '.5s', 500],
    ['milliseconds are not minutes and seconds', '100ms', 100],
    ['a day in hours', '24h', 86_400_000],
    ['microseconds in either spelling of micro, rounded', '1500µs500μs', 2],
    ['a unit may come twice', '1m1m', 120_000],
  ]
  for (const [name, text, ms] of valid) {
    it(`${name}: ${text}`, () => {
      assert.deepEqual(parseDuration(text), { value: ms })
    })
  }

  const invalid: [name: string, text: string, message: string][] = [
    ['a bare number has no unit', '300', 'has no unit'],
    ['a bare zero neither, though Go takes it', '0', 'has no unit'],
    ['nothing is no duration', '', 'is empty'],
    ['a negative one is refused', '-5m', 'is negative'],
    ['days are not among the units', '1d', 'has a unit that durations lack'],
    ['units are lower-case', '5M', 'is no duration'],
    ['white space is refused', '1h 30m', 'is no duration'],
    ['a number must follow', '1h30', 'is no duration'],
    ['a dot alone is no number', '.s', 'is no duration'],
  ]
  for (const [name, text, message] of invalid) {
    it(`${name}: ${JSON.stringify(text)}`, () => {
      const parsed = parseDuration(text)
      assert.equal('message' in parsed ? parsed.message : undefined, message)
    })
  }
})

describe('durationBetween', () => {
  const parse = durationBetween('10m', '24h')
  const rows: [name: string, text: string, expected: string | undefined][] = [
    ['takes the lower bound itself', '10m', undefined],
    ['takes the upper bound itself', '24h', undefined],
    ['refuses a millisecond less', '9m59s999ms', 'at least 10m'],
    ['refuses a millisecond more', '24h1ms', 'at most 24h'],
    ['refuses what overflows a number', `${'9'.repeat(400)}h`, 'at most 24h'],
  ]
  for (const [name, text, expected] of rows) {
    it(name, () => {
      const parsed = parse(text)
      assert.equal('expected' in parsed ? parsed.expected : undefined, expected)
    })
  }
})
