import assert from 'node:assert/strict'
import { challengeSchemes } from '../../../src/adapters/proxy-challenge.ts'

describe('challengeSchemes', () => {
  const rows: readonly [header: string, schemes: readonly string[]][] = [
    ['Basic realm="company"', ['Basic']],
    ['Negotiate, NTLM, Basic realm="a, Digest b"', ['Negotiate', 'NTLM', 'Basic']],
    ['Digest realm="r", nonce="n", qop="auth"', ['Digest']],
    ['Basic, Basic', ['Basic']],
    ['', []],
    ['\u001b[31m', []],
    [`${'x'.repeat(40)} y=1`, []],
    ['A, B, C, D, E, F, G', ['A', 'B', 'C', 'D', 'E']],
  ]
  for (const [header, schemes] of rows)
    it(`finds ${schemes.length === 0 ? 'nothing' : schemes.join(', ')} in ${JSON.stringify(header)}`, () => {
      assert.deepEqual(challengeSchemes(header), schemes)
    })
})
