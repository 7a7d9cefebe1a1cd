/** Splits a watch's byte stream into its newline-delimited JSON values, each bounded in size. */
import { BootstrapError } from '../lib/errors.ts'
import { parseJson } from '../lib/json.ts'

const MAX_LINE_BYTES = 1024 * 1024
const NEWLINE = 0x0a

/** Throws `response-malformed` for a line that is too long or no JSON; a last line without a newline is dropped as cut off. */
export async function* jsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator {
  let parts: Uint8Array[] = []
  let size = 0
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...parts, chunk.subarray(start, end)])
      parts = []
      size = 0
      start = end + 1
      if (line.length > MAX_LINE_BYTES) throw tooLong()
      if (line.length > 0) yield parseLine(line)
    }
    parts.push(chunk.subarray(start))
    size += chunk.length - start
    if (size > MAX_LINE_BYTES) throw tooLong()
  }
}

const tooLong = (): BootstrapError =>
  new BootstrapError('response-malformed', `a watch event is longer than ${MAX_LINE_BYTES} bytes`)

function parseLine(line: Uint8Array): unknown {
  const value = parseJson(line)
  if (value === undefined) throw new BootstrapError('response-malformed', 'a watch event is no JSON')
  return value
}
