/** join.yaml(5), from the JSON Schema that join.yaml is checked by: scdoc(5)'s source. */
import { bold, entry, literal, plain, section } from './manual.ts'

/** As much of a JSON Schema as packaging/join.schema.json uses. */
export interface JsonSchema {
  type?: string
  const?: string
  enum?: readonly string[]
  title?: string
  description?: string
  default?: unknown
  examples?: readonly unknown[]
  properties?: Readonly<Record<string, JsonSchema>>
  required?: readonly string[]
  items?: JsonSchema
}

/** YAML in flow style is JSON with fewer quotes; JSON is YAML too. */
const yaml = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

const capitalised = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** The words that say what is allowed, without those that the description has already. */
function allowed({ const: only, enum: choices, items, title, type }: JsonSchema): string[] {
  if (only !== undefined) return [`Always ${bold(only)}.`]
  if (choices !== undefined) return [`One of ${choices.map(bold).join(', ')}.`]
  if (items?.enum !== undefined) return [`A list of ${items.enum.map(bold).join(', ')}.`]
  return title === undefined || type === 'object' ? [] : [`${plain(capitalised(title))}.`]
}

function keyEntry(path: string, schema: JsonSchema, isRequired: boolean): string {
  const { description = '', title = '', default: preset, examples, properties } = schema
  const facts = [
    ...allowed(schema),
    ...(preset === undefined || properties !== undefined ? [] : [`Default: ${bold(yaml(preset))}.`]),
    ...(examples === undefined || preset !== undefined || title.includes('such as')
      ? []
      : [`Example: ${bold(yaml(examples[0]))}.`]),
  ]
  const term = `${bold(path)}${isRequired ? ' (required)' : ''}`
  return entry(term, plain(description), ...(facts.length === 0 ? [] : ['', facts.join(' ')]))
}

function keyEntries(schema: JsonSchema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`
    return [
      keyEntry(path, child, schema.required?.includes(key) ?? false),
      ...keyEntries(child, path),
      ...itemEntries(child.items, `${path}[]`),
    ]
  })
}

/** Of a list whose items have keys of their own. */
function itemEntries(items: JsonSchema | undefined, path: string): string[] {
  if (items?.properties === undefined) return []
  const { description = '', title = '' } = items
  return [entry(bold(path), plain(`${capitalised(title)}. ${description}`)), ...keyEntries(items, path)]
}

const EXAMPLE = `apiVersion: node-bootstrap/v1
kind: JoinConfiguration
discovery:
  token:
    endpoints: ["10.0.0.10:6443", "10.0.0.11:6443"]
    tokenFile: /etc/node-bootstrap/token
    caCertHashes: ["sha256:<64 hex digits>"]`

/** scdoc's source. */
export function configurationManual(schema: JsonSchema): string {
  return [
    'join.yaml(5)\n',
    section('NAME', 'join.yaml - how node-bootstrap makes this machine a Kubernetes node'),
    section('SYNOPSIS', '/etc/node-bootstrap/join.yaml'),
    section(
      'DESCRIPTION',
      'A YAML file that *node-bootstrap run* reads at its start, on SIGHUP and when it changes. Unknown keys, wrong types and contradictions are refused, all of them at once; *node-bootstrap validate* shows them. A running agent keeps its last good configuration while the file holds a mistake.',
      'Durations have a unit: *90s*, *5m*, *24h*.',
      literal(EXAMPLE),
    ),
    section('KEYS', ...keyEntries(schema, '')),
    section(
      'FILES',
      entry('/usr/share/node-bootstrap/join.yaml', 'The commented example, with every key.'),
      entry('/usr/share/node-bootstrap/join.schema.json', 'The JSON Schema, for editors.'),
    ),
    section('SEE ALSO', '*node-bootstrap*(8)'),
  ].join('\n')
}
