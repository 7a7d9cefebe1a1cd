import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { joinJsonSchema } from '../../../scripts/schema.ts'
import { formatProblem, parseConfiguration, type ParseResult } from '../../../src/config/index.ts'

const packaging = new URL('../../../packaging/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, packaging), 'utf8')

function said(result: ParseResult): string[] {
  return 'configuration' in result ? [] : result.problems.map(formatProblem)
}

describe('packaging/join.yaml', () => {
  const context = { file: 'join.yaml', hostName: 'host-1' }

  it('is unconfigured as it is installed: the one thing that it lacks is the discovery', () => {
    const problems = said(parseConfiguration(read('join.yaml'), context))
    assert.equal(problems.length, 1)
    assert.match(problems[0] ?? '', /: discovery: is missing;/)
  })

  it('is valid once every example is uncommented', () => {
    const uncommented = read('join.yaml').replace(/^# (?!yaml-language-server)/gm, '')
    assert.deepEqual(said(parseConfiguration(uncommented, context)), [])
  })
})

describe('packaging/join.schema.json', () => {
  it('is what src/config/schema.ts says today', async () => {
    assert.equal(read('join.schema.json'), await joinJsonSchema(), 'it is out of date: run npm run schema')
  })

  it('describes every key', () => {
    const undescribed: string[] = []
    const visit = (schema: JsonSchema, path: string) => {
      for (const [key, child] of Object.entries(schema.properties ?? {})) {
        if (child.description === undefined) undescribed.push(`${path}.${key}`)
        visit(child, `${path}.${key}`)
      }
    }
    visit(JSON.parse(read('join.schema.json')) as JsonSchema, '')
    assert.deepEqual(undescribed, [])
  })
})

interface JsonSchema {
  description?: string
  properties?: Record<string, JsonSchema>
}
