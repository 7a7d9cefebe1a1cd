import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { Secret } from '../../../src/lib/secret.ts'

describe('Secret', () => {
  const secret = new Secret('abcdef.0123456789abcdef')

  it('gives itself back only through reveal', () => {
    assert.equal(secret.reveal(), 'abcdef.0123456789abcdef')
  })

  it('redacts every other way into text', () => {
    const texts = [
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }, { depth: 9, showHidden: true }),
      secret.toString(),
    ]
    for (const text of texts) assert.doesNotMatch(text, /0123456789abcdef/)
  })
})
