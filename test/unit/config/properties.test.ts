/** What holds for every text: the parser never throws, and a token in it never comes back out. A failure prints its seed. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { formatProblem, parseConfiguration } from '../../../src/config/index.ts'

const folder = new URL('../../configs/', import.meta.url)
const documents = [
  ...readdirSync(folder).map((name) => readFileSync(new URL(`${name}/join.yaml`, folder), 'utf8')),
  readFileSync(new URL('../../../packaging/join.yaml', import.meta.url), 'utf8').replace(/^# /gm, ''),
]

const context = { file: 'join.yaml', hostName: 'host-1' }

/** Every word about a text's problems; where it is valid, every way of printing its configuration if that is asked for. */
function said(text: string, isConfigurationPrinted = false): string {
  const result = parseConfiguration(text, context)
  if ('problems' in result) {
    assert.ok(result.problems.length > 0, 'no configuration, and no word why')
    return result.problems.map(formatProblem).join('\n') + inspect(result, { depth: 9 })
  }
  return isConfigurationPrinted ? inspect(result, { depth: 9, showHidden: true }) + JSON.stringify(result) : ''
}

const characters = (alphabet: string, length: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet.split(/(?:)/)), minLength: length, maxLength: length })

/** Of letters and digits, of letters only (a key like any other), and of digits only (a number to YAML). */
const tokens = fc.oneof(
  ...['abcdefghijklmnopqrstuvwxyz0123456789', 'abcdefghijklmnopqrstuvwxyz', '0123456789'].map((alphabet) =>
    fc.tuple(characters(alphabet, 6), characters(alphabet, 16)).filter(([, secret]) => new Set(secret).size > 4),
  ),
)

/** A place in a document, by its fraction, and the YAML around what is put there. */
const insertion = fc.record({
  document: fc.constantFrom(...documents),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  before: fc.constantFrom(
    '',
    ' ',
    '\n',
    '"',
    "'",
    '*',
    '&',
    '!',
    '%',
    '[',
    '{',
    '- ',
    ': ',
    'sha256:',
    '\n? ',
    '|\n  ',
    '\t',
  ),
  after: fc.constantFrom('', ' ', '\n', '"', "'", ']', '}', ':', ': ', ',', '\\', '/', ':6443', '.', '\u0000'),
  removed: fc.nat({ max: 30 }),
})

/** Each token of the fixtures, replaced: the right places are the likeliest ones. */
const substitution = fc.record({
  document: fc.constantFrom(...documents),
  upper: fc.boolean(),
  cut: fc.nat({ max: 3 }),
})

describe('parseConfiguration, whatever the text', () => {
  it('does not throw for any string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        said(text)
      }),
      { numRuns: 2000 },
    )
  })

  it('does not throw for any handful of YAML', () => {
    const pieces = [
      'a',
      ': ',
      '\n',
      ' ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '"',
      "'",
      '&a ',
      '*a',
      '!x ',
      '|',
      '>',
      '#',
      '? ',
      ',',
      '---\n',
      '%',
      '<<',
      '\t',
      '~',
      '1',
      '__proto__: ',
      'discovery: ',
      'token: ',
      'node: ',
    ]
    const soup = fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(soup, (text) => {
        said(text)
      }),
      { numRuns: 4000 },
    )
  })

  it('never says the secret of a token that stands anywhere in a document, broken or not', () => {
    fc.assert(
      fc.property(insertion, tokens, ({ document, at, before, after, removed }, [id, secret]) => {
        const offset = Math.floor(at * document.length)
        const text = `${document.slice(0, offset)}${before}${id}.${secret}${after}${document.slice(offset + removed)}`
        assert.ok(!said(text).includes(secret), 'a secret in a problem')
      }),
      { numRuns: 4000 },
    )
  })

  it('never says a token, malformed or not, in the place of the right one', () => {
    fc.assert(
      fc.property(substitution, tokens, ({ document, upper, cut }, [id, secret]) => {
        const shown = (upper ? secret.toUpperCase() : secret).slice(cut)
        const text = document.replaceAll('abcdef.0123456789abcdef', `${id}.${shown}`)
        if (text !== document) assert.ok(!said(text, true).includes(shown), 'a secret in a problem')
      }),
      { numRuns: 1000 },
    )
  })
})
