/**
 * Lays the document over the schema: hands out the plain value that the schema then checks, and finds what a schema
 * check cannot say well: every unknown key with the one that was meant, and words that other YAML readers take otherwise.
 */
import * as v from 'valibot'
import type { Finding, Mapping, Tree } from './document.ts'
import { nearest } from './nearest.ts'
import { formatPath, isShowableKey, type Path } from './problems.ts'
import { entriesOf, itemOf, unwrap, type Schema } from './schema-parts.ts'

interface Survey {
  /** Without unknown keys; an empty section is an empty mapping. */
  value: unknown
  findings: Finding[]
}

/** kubeadm's names for what has another name here: its users arrive with them in hand. */
const kubeadmKeys: ReadonlyMap<string, string> = new Map([
  ['nodeRegistration', 'node.name'],
  ['bootstrapToken', 'discovery.token'],
  ['apiServerEndpoint', 'discovery.token.endpoints'],
  ['tlsBootstrapToken', 'bootstrap.token'],
  ['kubeConfigPath', 'discovery.file.path'],
  ['caCertPath', 'files.ca'],
  ['timeouts', 'discovery.timeout'],
])

export function survey(tree: Tree, root: Schema): Survey {
  const findings: Finding[] = []
  const value = visit(tree, root, [], root, findings)
  return { value, findings }
}

function visit(tree: Tree, schema: Schema, path: Path, root: Schema, findings: Finding[]): unknown {
  const entries = entriesOf(schema)
  if (entries !== undefined && tree.kind === 'mapping') return visitMapping(tree, entries, path, root, findings)
  // A section whose keys are all commented out is an empty section.
  if (entries !== undefined && isEmpty(tree)) return {}
  const item = itemOf(schema)
  if (item !== undefined && tree.kind === 'list') {
    return tree.items.map((child, index) => visit(child, item, [...path, index], root, findings))
  }
  if (tree.kind !== 'scalar') return undefined // No schema takes it, and valibot's objects would take a list.
  if (v.isOfType('string', unwrap(schema)) && isBooleanElsewhere(tree.value, tree.plain)) {
    const message = 'is a word that many YAML readers take for true or false'
    findings.push({ offset: tree.offset, path: formatPath(path), message, expected: 'the same in quotes' })
  }
  return tree.value
}

function visitMapping(
  tree: Mapping,
  entries: Readonly<Record<string, Schema>>,
  path: Path,
  root: Schema,
  findings: Finding[],
): unknown {
  const value: Record<string, unknown> = {}
  for (const [key, { keyOffset, tree: child }] of tree.entries) {
    const schema = Object.hasOwn(entries, key) ? entries[key] : undefined
    const here = [...path, key]
    if (schema !== undefined) value[key] = visit(child, schema, here, root, findings)
    else findings.push({ offset: keyOffset, path: formatPath(here), ...unknownKey(key, Object.keys(entries), root) })
  }
  return value
}

function unknownKey(key: string, siblings: readonly string[], root: Schema): { message: string; expected: string } {
  const message = isShowableKey(key) ? 'is an unknown key' : 'is an unknown key (not shown: it might be a secret)'
  if (key === '<<') return { message: 'is a merge key, which is not supported', expected: 'the keys written out' }
  const meant = nearest(key, siblings)
  if (meant !== undefined) return { message, expected: `did you mean ${meant}?` }
  const renamed = kubeadmKeys.get(key)
  const elsewhere = renamed === undefined ? placesOf(key, root, []) : [renamed]
  if (elsewhere.length > 0) return { message, expected: `did you mean ${elsewhere.join(' or ')}?` }
  return { message, expected: `the keys here are ${siblings.join(', ')}` }
}

/** Where in join.yaml a key of that name is at home. */
function placesOf(key: string, schema: Schema, path: Path): string[] {
  return Object.entries(entriesOf(schema) ?? {}).flatMap(([name, child]) => [
    ...(name === key ? [formatPath([...path, name])] : []),
    ...placesOf(key, child, [...path, name]),
  ])
}

function isEmpty(tree: Tree): boolean {
  return tree.kind === 'scalar' && tree.value === null
}

/** YAML 1.1, and so Go's and Python's readers, take these for booleans; YAML 1.2 does not. */
function isBooleanElsewhere(value: unknown, plain: boolean): boolean {
  return plain && typeof value === 'string' && /^(y|yes|n|no|on|off)$/i.test(value)
}
