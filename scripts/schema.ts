/** Writes packaging/join.schema.json from the schema that join.yaml is checked by. */
import { readFile, writeFile } from 'node:fs/promises'
import { toJsonSchema } from '@valibot/to-json-schema'
import { format } from 'prettier'
import { joinSchema } from '../src/config/schema.ts'

export const schemaFile = new URL('../packaging/join.schema.json', import.meta.url)

/** The JSON Schema's text. draft-07: what yaml-language-server understands best. */
export async function joinJsonSchema(): Promise<string> {
  const schema = toJsonSchema(joinSchema, { target: 'draft-07', typeMode: 'input', ignoreActions: ['raw_transform'] })
  return format(JSON.stringify(schema), { parser: 'json', printWidth: 120 })
}

if (import.meta.main) {
  await writeFile(schemaFile, await joinJsonSchema())
  console.log(`wrote ${(await readFile(schemaFile)).byteLength} bytes to packaging/join.schema.json`)
}
