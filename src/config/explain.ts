/** Turns what valibot found into sentences. Only codes, places and types are looked at: its messages hold the value. */
import * as v from 'valibot'
import { childOf, type Finding, type Tree } from './document.ts'
import { nearest } from './nearest.ts'
import { formatPath, type Fault, type PathPart } from './problems.ts'
import { entriesOf, expectation, itemOf, optionsOf, unwrap, type Schema } from './schema-parts.ts'

type Issue = v.BaseIssue<unknown>

export function explain(issue: Issue, root: Schema, tree: Tree): Finding {
  const path = (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)))
  const schema = schemaAt(root, path)
  const { node, offset } = nodeAt(tree, path)
  return { offset, path: formatPath(path), ...faultOf(issue, schema, node) }
}

function faultOf(issue: Issue, schema: Schema, node: Tree | undefined): Fault {
  // What the parsers of this room and the schema's own texts say; `expected` of a built-in check is a formula.
  if (issue.kind === 'transformation')
    return { message: issue.message, expected: issue.expected ?? expectation(schema) }
  if (issue.kind === 'validation') return { message: issue.message, expected: expectation(schema) }
  if (node === undefined) return { message: 'is missing', expected: expectation(schema) }
  if (node.kind === 'scalar' && node.value === null) return { message: 'has no value', expected: expectation(schema) }
  if (node.kind === 'scalar' && typeof node.value === 'string' && optionsOf(schema) !== undefined) {
    return notAnOption(node.value, schema)
  }
  const message = `must be ${typeName(schema)}, but ${seen(node)}`
  const quoted = node.kind === 'scalar' && node.plain && v.is(unwrap(schema), node.source)
  return { message, expected: quoted ? 'the same in quotes' : expectation(schema) }
}

function notAnOption(value: string, schema: Schema): Fault {
  const options = optionsOf(schema) ?? []
  const meant = options.length > 1 ? nearest(value, options) : undefined
  const suggestion = meant === undefined ? '' : `; did you mean ${meant}?`
  const message = value === '' ? 'is empty' : 'is not supported'
  return { message, expected: `${expectation(schema)}${suggestion}` }
}

function typeName(schema: Schema): string {
  if (entriesOf(schema) !== undefined) return 'a mapping'
  if (itemOf(schema) !== undefined) return 'a list'
  const { type } = unwrap(schema)
  if (type === 'number') return 'a number'
  return type === 'boolean' ? 'true or false' : 'text'
}

function seen(node: Tree): string {
  if (node.kind !== 'scalar') return `is a ${node.kind}`
  if (typeof node.value === 'number') return 'YAML reads it as a number'
  return typeof node.value === 'boolean' ? 'YAML reads it as true or false' : 'is text'
}

function schemaAt(root: Schema, path: readonly PathPart[]): Schema {
  return path.reduce<Schema>((schema, part) => {
    const child = typeof part === 'number' ? itemOf(schema) : entriesOf(schema)?.[part]
    if (child === undefined) throw new TypeError('a schema issue lies outside the schema')
    return child
  }, root)
}

/** The node at `path`; where there is none, the offset of the innermost one around it. */
function nodeAt(tree: Tree, path: readonly PathPart[]): { node: Tree | undefined; offset: number } {
  let node: Tree | undefined = tree
  let { offset } = tree
  for (const part of path) {
    node = childOf(node, part)
    if (node === undefined) break
    ;({ offset } = node)
  }
  return { node, offset }
}
