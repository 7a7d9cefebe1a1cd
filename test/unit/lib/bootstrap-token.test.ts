import assert from 'node:assert/strict'
import { bootstrapTokenFault, parseBootstrapToken } from '../../../src/lib/bootstrap-token.ts'

describe('parseBootstrapToken', () => {
  it('splits a token into its id and its secret', () => {
    const token = parseBootstrapToken('abcdef.0123456789abcdef')
    assert.equal(token?.id, 'abcdef')
    assert.equal(token.secret.reveal(), '0123456789abcdef')
  })

  const rows: [name: string, text: string, fault: string][] = [
    ['nothing', '', 'is empty'],
    ['a line break at the end', 'abcdef.0123456789abcdef\n', 'has white space or a line break around it'],
    ['a space in it', 'abcdef. 0123456789abcde', 'has white space in it'],
    ['no dot', 'abcdef0123456789abcdef', 'has no dot'],
    ['two dots', 'abcdef.01234567.9abcdef', 'has more than one dot'],
    ['upper case', 'ABCDEF.0123456789abcdef', 'has upper-case letters'],
    ['a hyphen', 'abcdef.0123456789-bcdef', 'has characters other than a-z and 0-9 beside its dot'],
    ['a short id', 'abcde.0123456789abcdef', 'has 5 characters before the dot, not 6'],
    ['a long secret', 'abcdef.0123456789abcdef0', 'has 17 characters after the dot, not 16'],
  ]
  for (const [name, text, fault] of rows) {
    it(`refuses ${name}, and says what is wrong without saying the token`, () => {
      assert.equal(parseBootstrapToken(text), undefined)
      assert.equal(bootstrapTokenFault(text), fault)
    })
  }
})
