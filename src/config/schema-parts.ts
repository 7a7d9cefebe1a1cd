/** Questions to a valibot schema about its form: its keys, its items, its choices, and what it expects in words. */
import * as v from 'valibot'

export type Schema = v.GenericSchema

/** The schema of what is there when it is there: optional or not makes no difference to its form. */
export function unwrap(schema: Schema): Schema {
  return v.isOfType('exact_optional', schema) ? unwrap((schema as unknown as { wrapped: Schema }).wrapped) : schema
}

export function entriesOf(schema: Schema): Readonly<Record<string, Schema>> | undefined {
  const inner = unwrap(schema)
  return v.isOfType('strict_object', inner)
    ? (inner as unknown as { entries: Record<string, Schema> }).entries
    : undefined
}

export function itemOf(schema: Schema): Schema | undefined {
  const inner = unwrap(schema)
  return v.isOfType('array', inner) ? (inner as unknown as { item: Schema }).item : undefined
}

/** What would be right in that place, as a noun phrase. */
export function expectation(schema: Schema): string {
  const { title } = v.getMetadata(unwrap(schema))
  if (typeof title === 'string') return title
  const options = optionsOf(schema)
  if (options !== undefined) return options.length === 1 ? (options[0] ?? '') : `one of ${options.join(', ')}`
  return `a mapping with the keys ${Object.keys(entriesOf(schema) ?? {}).join(', ')}`
}

/** The texts that are allowed, where they can be counted. */
export function optionsOf(schema: Schema): readonly string[] | undefined {
  const inner = unwrap(schema)
  if (v.isOfType('picklist', inner)) return (inner as unknown as { options: readonly string[] }).options
  if (v.isOfType('literal', inner)) return [(inner as unknown as { literal: string }).literal]
  return undefined
}
