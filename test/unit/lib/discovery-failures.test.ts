import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { errorCodes, type ErrorCode, type Retryable } from '../../../src/lib/error-codes.ts'

const RETRIES: ReadonlyMap<string, Retryable> = new Map<string, Retryable>([
  ['with backoff', true],
  ['within the attempt', 'until-deadline'],
  ['rarely', false],
])

describe('docs/discovery-failures.md', () => {
  const page = readFileSync(new URL('../../../docs/discovery-failures.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| [^|]+ \| `([a-z-]+)` +\| ([a-z ]+?) +\|$/gm)]

  it('has a code of its own for each failure', () => {
    const codes = rows.map(([, code]) => code)
    assert.equal(codes.length, 26)
    assert.equal(new Set(codes).size, codes.length)
  })

  for (const [, code = '', retried = ''] of rows)
    it(`says of ${code} what the program does`, () => {
      assert.ok(code in errorCodes)
      assert.equal(errorCodes[code as ErrorCode].retryable, RETRIES.get(retried))
    })
})
