import assert from 'node:assert/strict'
import fc from 'fast-check'
import { jsonLines } from '../../../src/kube/json-lines.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { inPieces } from '../../harness/fake-http.ts'
import { bootstrapErrorOf } from '../../harness/thrown.ts'

async function collect(pieces: readonly (string | Uint8Array)[]): Promise<unknown[]> {
  const values: unknown[] = []
  for await (const value of jsonLines(inPieces(pieces))) values.push(value)
  return values
}

describe('jsonLines', () => {
  const values = [{ a: 'grüße 節 \u{1f980}' }, null, [1], 'x\\n']
  const whole = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''))

  it('gives the same values wherever the bytes are cut in two, within a character, too', async () => {
    for (let at = 0; at <= whole.length; at += 1)
      assert.deepEqual(await collect([whole.subarray(0, at), whole.subarray(at)]), values)
  })

  it('gives the same values byte by byte, and in any pieces', async () => {
    assert.deepEqual(await collect(Array.from(whole, (octet) => Uint8Array.of(octet))), values)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(whole.length)), async (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), whole.length]
        assert.deepEqual(await collect(at.slice(1).map((end, index) => whole.subarray(at[index], end))), values)
      }),
    )
  })

  it('gives each value as soon as its line is whole', async () => {
    const lines = jsonLines(inPieces(['{"a":1}\n{"a":', '2']))
    assert.deepEqual(await lines.next(), { done: false, value: { a: 1 } })
  })

  it('takes empty lines and Windows line ends for nothing', async () => {
    assert.deepEqual(await collect(['\n\n1\r\n\n2\n']), [1, 2])
  })

  it('drops a last line without a newline as cut off, though it be JSON', async () => {
    assert.deepEqual(await collect(['1\n2']), [1])
    assert.deepEqual(await collect([]), [])
  })

  const mebibyte = 1024 * 1024
  for (const [name, pieces] of [
    ['a line that is no JSON', ['1\nx\n']],
    ['a line that is no UTF-8', [Uint8Array.of(0x22, 0xc3, 0x28, 0x22, 0x0a)]],
    ['a line of a mebibyte and a byte, in one piece', [`"${'x'.repeat(mebibyte - 1)}"\n`]],
    ['the same in pieces', [`"${'x'.repeat(mebibyte / 2)}`, `${'x'.repeat(mebibyte / 2)}"\n`]],
    ['lines without end', Array<string>(9 * 1024).fill(`"${'x'.repeat(1020)}"\n`)],
    ['empty lines without end', Array<string>(9 * 1024).fill('\n'.repeat(1024))],
    ['bytes without end and newline', Array<string>(1025).fill('x'.repeat(1024))],
  ] as const)
    it(`refuses ${name}`, async () => {
      assert.equal((await bootstrapErrorOf(collect(pieces))).code, 'response-malformed')
    })

  it('takes a line of exactly a mebibyte, and one after the other', async () => {
    const text = 'x'.repeat(mebibyte - 2)
    assert.deepEqual(await collect([`"${text}`, '"\n', `"${text}"\n`]), [text, text])
  })

  it('throws nothing but response-malformed, whatever the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 20 })), async (pieces) => {
        try {
          await collect(pieces)
        } catch (thrown) {
          assert(thrown instanceof BootstrapError && thrown.code === 'response-malformed')
        }
      }),
    )
  })
})
