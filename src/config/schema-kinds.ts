/** The kinds of value that join.yaml is made of, each with its check and its words. What keys there are is schema.ts's. */
import * as v from 'valibot'
import { durationBetween } from './duration.ts'
import type { Parsed } from './problems.ts'
import { parsePath } from './scalars.ts'

/** Ends up in the JSON Schema as it is. */
interface About {
  title?: string
  description: string
  examples?: readonly unknown[]
  /** For editors only: the parsers say more precisely what is wrong. */
  pattern?: string
  minItems?: number
  maxItems?: number
  oneOf?: readonly unknown[]
  maxProperties?: number
}

/** Turns a value of the right type into what it means, or into the fault that it has. */
export function parsedBy<Input, Output>(parse: (value: Input) => Parsed<Output>) {
  return v.rawTransform<Input, Output>(({ dataset, addIssue, NEVER }) => {
    const parsed = parse(dataset.value)
    if ('value' in parsed) return parsed.value
    addIssue(parsed)
    return NEVER
  })
}

export function text<Output>(parse: (text: string) => Parsed<Output>, about: About) {
  return v.pipe(v.string(), v.metadata({ ...about }), parsedBy(parse))
}

export function choice<const Options extends readonly string[]>(options: Options, description: string) {
  return v.pipe(v.picklist(options), v.metadata({ description }))
}

export function section<const Entries extends v.ObjectEntries>(entries: Entries, about: About) {
  return v.pipe(v.strictObject(entries), v.metadata({ ...about }))
}

export function path(description: string, example: string) {
  const title = `an absolute path, such as ${example}`
  const parse = (value: string): Parsed<string> => {
    const parsed = parsePath(value)
    return 'value' in parsed ? parsed : { ...parsed, expected: title }
  }
  return text(parse, { title, description, examples: [example], pattern: '^/' })
}

export const duration = (minimum: string, maximum: string, description: string, example: string) =>
  text(durationBetween(minimum, maximum), {
    title: `a duration with its unit, such as ${example}`,
    description: `${description} From ${minimum} to ${maximum}.`,
    examples: [example],
    pattern: '^([0-9]*\\.?[0-9]+(h|m|s|ms|us|µs|ns))+$',
  })
