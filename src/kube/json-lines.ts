/** Splits a watch's byte stream into its newline-delimited JSON values: each is bounded in size, and so are all of them. */
import { BootstrapError } from '../lib/errors.ts'
import { parseJson } from '../lib/json.ts'

const MAX_LINE_BYTES = 1024 * 1024
/** One object's watch of five minutes is a few kilobytes: a server that sends more keeps the agent busy. */
const MAX_STREAM_BYTES = 8 * 1024 * 1024
const NEWLINE = 0x0a

/** Throws `response-malformed` for a line that is too long or no JSON, and for too much of anything; a last line without a newline is dropped as cut off. */
export async function* jsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator {
  let parts: Uint8Array[] = []
  let size = 0
  let total = 0
  for await (const chunk of chunks) {
    total += chunk.length
    if (total > MAX_STREAM_BYTES) throw tooMuch()
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const tail = chunk.subarray(start, end)
      const line = parts.length === 0 ? tail : Buffer.concat([...parts, tail])
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

const tooMuch = (): BootstrapError =>
  new BootstrapError('response-malformed', `a watch sends more than ${MAX_STREAM_BYTES} bytes`)

const tooLong = (): BootstrapError =>
  new BootstrapError('response-malformed', `a watch event is longer than ${MAX_LINE_BYTES} bytes`)

function parseLine(line: Uint8Array): unknown {
  const value = parseJson(line)
  if (value === undefined) throw new BootstrapError('response-malformed', 'a watch event is no JSON')
  return value
}
