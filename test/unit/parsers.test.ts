/** What holds for every parser and every byte string: it returns, or throws its own typed error. A failure prints its seed. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { corpus, findingOf } from '../fuzz/fuzz.ts'
import { mutate, randomFrom } from '../fuzz/mutation.ts'
import { parsers, type Parser } from '../harness/parsers.ts'

async function assertTyped(parser: Parser, input: Uint8Array): Promise<void> {
  const finding = await findingOf(parser, input)
  assert.equal(finding?.thrown, undefined, `for ${Buffer.from(input).toString('base64')}`)
}

const MAX_INPUT_BYTES = 4096

/** Edits of what a parser accepts, by a seed that fast-check can print and shrink. */
const edited = (parser: Parser): fc.Arbitrary<Uint8Array> =>
  fc
    .record({ seed: fc.nat(), input: fc.constantFrom(...parser.seeds), other: fc.constantFrom(...parser.seeds) })
    .map(({ seed, input, other }) => mutate(input, other, randomFrom(seed), MAX_INPUT_BYTES))

/** A part of what a parser accepts, over and over: depth, length and number. */
const repeated = (parser: Parser): fc.Arbitrary<Uint8Array> =>
  fc
    .record({
      input: fc.constantFrom(...parser.seeds),
      from: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      length: fc.integer({ min: 1, max: 12 }),
      count: fc.integer({ min: 2, max: 6000 }),
    })
    .map(({ input, from, length, count }) => {
      const at = Math.floor(from * input.length)
      const unit = input.subarray(at, at + length)
      return Buffer.concat([input.subarray(0, at), Buffer.alloc(count * unit.length, unit), input.subarray(at)])
    })

describe('every parser throws nothing but its typed error', () => {
  // Mocha lifts the limit: what exhausts the stack then takes seconds to describe it.
  const { stackTraceLimit } = Error
  before(() => {
    Error.stackTraceLimit = 10
  })
  after(() => {
    Error.stackTraceLimit = stackTraceLimit
  })

  for (const parser of parsers)
    it(`${parser.name}, for any bytes, for edits of what it accepts, for parts of that repeated, and for the fuzzer's corpus`, async () => {
      const inputs = fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        { arbitrary: edited(parser), weight: 3 },
        repeated(parser),
      )
      await fc.assert(
        fc.asyncProperty(inputs, (input) => assertTyped(parser, input)),
        { numRuns: 150 },
      )
      for (const input of [...parser.seeds, ...corpus(parser)]) await assertTyped(parser, input)
    })

  it('the kubeconfig parser, for what is nested to any depth, in any of its ways', async () => {
    const parser = parsers.find(({ name }) => name === 'kubeconfig')
    assert.ok(parser !== undefined)
    // Each exhausts the stack in another step of the YAML library, at some depth.
    for (const unit of ['[', '{a: ', '- ', '? ', 'a:\n ', '&a [', '!!seq [', '- ? '])
      for (let depth = 200; depth <= 12_800; depth *= 2) await assertTyped(parser, Buffer.from(unit.repeat(depth)))
  })
})
