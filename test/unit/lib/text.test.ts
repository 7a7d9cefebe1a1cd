import assert from 'node:assert/strict'
import fc from 'fast-check'
import { printable } from '../../../src/lib/text.ts'

describe('printable', () => {
  for (const [name, text, expected] of [
    ['a terminal’s escape', 'a\u001b[31mred', 'a [31mred'],
    ['lines', ' a\r\nb\u2028c\u0085d\n', 'a b c d'],
    ['a change of writing direction', 'abc\u202etxt.exe\u2066', 'abc txt.exe'],
    ['characters of no width', 'a\u200bb\ufeffc', 'a b c'],
    ['a NUL', 'a\0b', 'a b'],
    ['letters of any language', 'grüße 節点 \u{1f980}', 'grüße 節点 \u{1f980}'],
  ] as const)
    it(`makes ${name} harmless`, () => {
      assert.equal(printable(text), expected)
    })

  it('cuts what is too long, and only that', () => {
    assert.equal(printable('x'.repeat(300)), 'x'.repeat(300))
    assert.equal(printable('x'.repeat(301)), `${'x'.repeat(299)}…`)
    assert.equal(printable('abcdef', 3), 'ab…')
  })

  it('gives one bounded line without control characters, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const shown = printable(text, 20)
        assert(shown.length <= 20)
        assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      }),
    )
  })
})
