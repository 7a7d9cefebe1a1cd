/** YAML's own error codes as sentences. The library's messages quote the file, and so perhaps a token: none is used. */
import type { ErrorCode } from 'yaml'
import type { Fault } from './problems.ts'

const quoting = 'quotes around a value with special characters, and one key: value pair on each line'
const plainValue = 'a plain value, without & * and ! marks'

const faults: Readonly<Record<ErrorCode, Fault>> = {
  ALIAS_PROPS: { message: 'an alias (*) has an anchor or a tag of its own', expected: plainValue },
  BAD_ALIAS: {
    message: 'an alias (*) or anchor (&) is malformed',
    expected: 'quotes around a value that begins with * or &',
  },
  BAD_COLLECTION_TYPE: { message: 'a tag (!) does not fit its value', expected: plainValue },
  BAD_DIRECTIVE: { message: 'a line beginning with % is no known directive', expected: 'no directives at all' },
  BAD_DQ_ESCAPE: {
    message: 'a double-quoted text has an invalid escape',
    expected: 'single quotes, or each backslash doubled',
  },
  BAD_INDENT: { message: 'the indentation is wrong', expected: 'the keys of one mapping in the same column' },
  BAD_PROP_ORDER: { message: 'an anchor (&) or tag (!) stands in the wrong place', expected: plainValue },
  BAD_SCALAR_START: { message: 'a value begins with a character that YAML reserves', expected: 'quotes around it' },
  BLOCK_AS_IMPLICIT_KEY: { message: 'a second key or a list begins on the same line', expected: quoting },
  BLOCK_IN_FLOW: { message: 'an indented block stands inside [ ] or { }', expected: 'either brackets or indentation' },
  DUPLICATE_KEY: { message: 'a key is given twice', expected: 'each key once' },
  IMPOSSIBLE: { message: 'the YAML is malformed', expected: quoting },
  KEY_OVER_1024_CHARS: { message: 'a key has more than 1024 characters', expected: 'one key: value pair on each line' },
  MISSING_CHAR: { message: 'a character is missing: a colon, a closing quote or a space', expected: quoting },
  MULTILINE_IMPLICIT_KEY: {
    message: 'a key runs over more than one line',
    expected: 'a colon and a space after each key, and closed quotes',
  },
  MULTIPLE_ANCHORS: { message: 'a value has two anchors (&)', expected: plainValue },
  MULTIPLE_DOCS: { message: 'a second YAML document begins', expected: 'one document, so no --- after the first key' },
  MULTIPLE_TAGS: { message: 'a value has two tags (!)', expected: plainValue },
  NON_STRING_KEY: {
    message: 'a key is no text',
    expected: 'plain keys, and quotes around a value that begins with { or [',
  },
  RESOURCE_EXHAUSTION: {
    message: 'values are nested too deeply',
    expected: 'a configuration, which is three levels deep',
  },
  TAB_AS_INDENT: { message: 'a tab is used for indentation', expected: 'spaces' },
  TAG_RESOLVE_FAILED: { message: 'a tag (!) is unknown or does not fit its value', expected: plainValue },
  UNEXPECTED_TOKEN: { message: 'something stands where YAML does not allow it', expected: quoting },
}

const unquotedIPv6: Fault = {
  message: 'an IPv6 address stands without quotes',
  expected: 'quotes around it, such as "[::1]:6443"',
}

/** What `code` at `offset` means; where the text shows a well-known cause, that instead. */
export function syntaxFault(code: ErrorCode, text: string, offset: number): Fault {
  const lineStart = text.lastIndexOf('\n', offset - 1) + 1
  if (/^[ ]*\t/.test(text.slice(lineStart, lineStart + 200)) && code !== 'MULTIPLE_DOCS') return faults.TAB_AS_INDENT
  const line = text
    .slice(lineStart, lineStart + 200)
    .split('\n', 1)
    .join('')
  if (/(^|[\s,[])\[[0-9a-f]*:[0-9a-f:.]*\]:\d/i.test(line)) return unquotedIPv6
  return faults[code]
}
