import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { configurationManual } from '../../../scripts/texts/configuration-manual.ts'
import { bold } from '../../../scripts/texts/manual.ts'
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

describe('join.yaml(5)', () => {
  it('documents every settled name, those of the alternatives too', () => {
    const manual = configurationManual(JSON.parse(read('join.schema.json')) as JsonSchema)
    const settled = readFileSync(new URL('../../configs/settled-names/join.yaml', import.meta.url), 'utf8')
    const paths = [...pathsIn(parse(settled)), ...ALTERNATIVES]
    assert.ok(paths.includes('certificate.rotation.window') && paths.includes('discovery.token.endpoints'))
    const undocumented = paths.filter((path) => !manual.includes(bold(path)))
    assert.deepEqual(undocumented, [])
  })
})

/** Settled too, and in the reference only in its comments: what excludes another key cannot stand beside it. */
const ALTERNATIVES = [
  'discovery.token.tokenFile',
  'discovery.token.tokenCredential',
  'discovery.file.path',
  'discovery.https.url',
  'discovery.https.caFile',
  'discovery.https.caCertHashes',
  'bootstrap.tokenFile',
  'bootstrap.tokenCredential',
]

const pathsIn = (value: unknown, prefix = ''): string[] =>
  Object.entries(value as Record<string, unknown>).flatMap(([key, child]) => {
    const path = `${prefix}${key}`
    const isSection = typeof child === 'object' && child !== null && !Array.isArray(child)
    return [path, ...(isSection ? pathsIn(child, `${path}.`) : [])]
  })

interface JsonSchema {
  description?: string
  properties?: Record<string, JsonSchema>
}
