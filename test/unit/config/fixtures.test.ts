/** Each folder of test/configs is a join.yaml and exactly what is said about it: one problem a line, or `ok` and its trade-offs. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { formatProblem, parseConfiguration } from '../../../src/config/index.ts'
import { validationReport } from '../../../src/findings/report.ts'
import { tradeOffs } from '../../../src/findings/trade-offs.ts'

const folder = new URL('../../configs/', import.meta.url)

/** UPDATE_EXPECTED=1 writes what is said now; read the difference before it is committed. */
const isUpdating = process.env['UPDATE_EXPECTED'] === '1'

function verdict(name: string): string {
  const text = readFileSync(new URL(`${name}/join.yaml`, folder), 'utf8')
  const result = parseConfiguration(text, { file: 'join.yaml', hostName: 'host-1.example.com' })
  if ('problems' in result) return result.problems.map((problem) => `${formatProblem(problem)}\n`).join('')
  const { configuration } = result
  return `${validationReport('join.yaml', configuration, tradeOffs({ configuration, exposures: [] })).lines.join('\n')}\n`
}

describe('the configurations of test/configs', () => {
  const names = readdirSync(folder)

  for (const name of names) {
    it(name, () => {
      const expectedFile = new URL(`${name}/expected.txt`, folder)
      if (isUpdating) writeFileSync(expectedFile, verdict(name))
      assert.equal(verdict(name), readFileSync(expectedFile, 'utf8'))
    })
  }

  it('say nothing that is in a token', () => {
    for (const name of names) assert.doesNotMatch(verdict(name), /0123456789abcdef|0123456789012345/i, name)
  })
})
