/** How an input becomes another one: the edits that find bugs in parsers, each drawn from one seeded source. */

/** Texts that mean something to one parser or the other. */
const WORDS = [
  '\u0000',
  '\r\n',
  '\ufeff',
  '\u2028',
  '---\n',
  '&a ',
  '*a',
  '<<: ',
  '!!map ',
  '? ',
  '|\n ',
  '"\\u0000"',
  '__proto__',
  'constructor',
  '-----BEGIN CERTIFICATE-----\n',
  '-----END CERTIFICATE-----\n',
  '-----BEGIN PRIVATE KEY-----\n',
  '{"',
  '[[[[[[[[',
  '{"a":{"a":',
  ']}',
  '9007199254740993',
  '-1',
  '1e999',
  'null',
  'https://',
  'HTTPS://a@b',
  '..',
  '=',
  'clusters:\n- cluster:\n    server: https://h\n',
  'insecure-skip-tls-verify: true',
  '"type":"ERROR"',
]
const BYTES = [0x00, 0x0a, 0x1f, 0x30, 0x7f, 0x80, 0x84, 0xa0, 0xff]

/** xorshift32: a source of numbers that a seed repeats exactly. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % Math.max(1, below)
  }
}

type Random = (below: number) => number
type Edit = (input: Buffer, random: Random, other: Uint8Array) => Uint8Array

const span = (input: Uint8Array, random: Random): [number, number] => {
  const from = random(input.length + 1)
  return [from, from + random(Math.min(32, input.length - from) + 1)]
}
const replaceSpan = (input: Buffer, from: number, to: number, ...by: Uint8Array[]): Uint8Array =>
  Buffer.concat([input.subarray(0, from), ...by, input.subarray(to)])

const edits: readonly Edit[] = [
  (input, random) => {
    const copy = Buffer.from(input)
    copy[random(copy.length)] = random(2) === 0 ? random(256) : (BYTES[random(BYTES.length)] ?? 0)
    return copy
  },
  (input, random) => {
    const copy = Buffer.from(input)
    const at = random(copy.length)
    copy[at] = (copy[at] ?? 0) ^ (1 << random(8))
    return copy
  },
  (input, random) => replaceSpan(input, ...span(input, random)),
  (input, random) => {
    const at = random(input.length + 1)
    return replaceSpan(input, at, at, Buffer.from(WORDS[random(WORDS.length)] ?? ''))
  },
  (input, random) => {
    const [from, to] = span(input, random)
    return replaceSpan(input, from, to, ...Array<Buffer>(2 + random(40)).fill(input.subarray(from, to)))
  },
  (input, random, other) => {
    const [from, to] = span(other, random)
    const at = random(input.length + 1)
    return replaceSpan(input, at, at, other.subarray(from, to))
  },
  (input, random, other) =>
    Buffer.concat([input.subarray(0, random(input.length + 1)), other.subarray(random(other.length))]),
  (input, random) => input.subarray(0, random(input.length + 1)),
]

/** One to four edits of `input`; `other` is what it may be spliced with. Never longer than `maxLength`. */
export function mutate(input: Uint8Array, other: Uint8Array, random: Random, maxLength: number): Uint8Array {
  let current: Uint8Array = input
  for (let left = 1 + random(4); left > 0; left -= 1)
    current = edits[random(edits.length)]?.(Buffer.from(current), random, other) ?? current
  return current.subarray(0, maxLength)
}
