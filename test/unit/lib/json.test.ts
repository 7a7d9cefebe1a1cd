import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fieldAt, listAt, numberAt, parseJson, textAt } from '../../../src/lib/json.ts'

describe('parseJson', () => {
  it('gives back any JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const again = JSON.parse(JSON.stringify(value)) as unknown
        assert.deepEqual(parseJson(Buffer.from(JSON.stringify(value))), again)
      }),
    )
  })

  for (const [name, bytes] of [
    ['nothing', Buffer.alloc(0)],
    ['words', Buffer.from('x')],
    ['a value and more', Buffer.from('1 2')],
    ['broken UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22])],
    ['a hundred thousand open brackets', Buffer.from('['.repeat(100_000))],
  ] as const)
    it(`is undefined for ${name}`, () => {
      assert.equal(parseJson(bytes), undefined)
    })
})

describe('fields of unknown JSON', () => {
  const value = parseJson(Buffer.from('{"a":{"b":["x",1]},"__proto__":{"own":"y"}}'))

  it('are found by their path', () => {
    assert.equal(textAt(value, 'a', 'b', 0), 'x')
    assert.equal(numberAt(value, 'a', 'b', 1), 1)
    assert.deepEqual(listAt(value, 'a', 'b'), ['x', 1])
    assert.equal(fieldAt(value), value)
  })

  it('are absent where they are of another type', () => {
    assert.equal(textAt(value, 'a', 'b', 1), undefined)
    assert.equal(numberAt(value, 'a', 'b', 0), undefined)
    assert.deepEqual(listAt(value, 'a'), [])
    assert.deepEqual(listAt(null), [])
    assert.equal(fieldAt('text', 'length'), undefined)
  })

  it('are never those of a prototype', () => {
    assert.equal(fieldAt(value, 'constructor'), undefined)
    assert.equal(fieldAt(value, 'a', 'b', 'at'), undefined)
    assert.equal(fieldAt(value, 'own'), undefined)
    assert.equal(textAt(value, '__proto__', 'own'), 'y')
  })
})
