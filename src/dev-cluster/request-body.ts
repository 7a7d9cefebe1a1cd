/** Reads a request's JSON body within kube-apiserver's limit, and answers a wrong one in kube-apiserver's words. */
import type { IncomingMessage } from 'node:http'
import { badRequest, tooLarge, unsupportedMediaType } from './api-status.ts'

/** kube-apiserver's limit for any request. */
export const BODY_LIMIT_BYTES = 3 * 1024 * 1024

export type JsonObject = Record<string, unknown>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The parsed body, of any JSON type; throws 413, 415 or 400. Only JSON is understood: YAML and protobuf are not. */
export async function readJson(request: IncomingMessage, kind: string): Promise<unknown> {
  const contentType = request.headers['content-type']
  const body = await readBody(request)
  const mediaType = contentType?.split(';')[0]?.trim().toLowerCase()
  if (mediaType !== undefined && mediaType !== 'application/json') throw unsupportedMediaType()
  return parse(body, kind)
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > BODY_LIMIT_BYTES) throw tooLarge(BODY_LIMIT_BYTES)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parse(body: Buffer, kind: string): unknown {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'))
    if (parsed !== null && !isObject(parsed)) throw new SyntaxError('json: cannot unmarshal into Go value')
    return parsed
  } catch (error) {
    const why = error instanceof SyntaxError ? goSyntaxError(error) : 'json: invalid'
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error: ${why} (${summary(body)})`,
    )
  }
}

const goSyntaxError = (error: SyntaxError): string =>
  /end of JSON|after JSON|Unterminated|Expected/.test(error.message) ? 'unexpected end of JSON input' : error.message

/** apimachinery's `json.summarizeData`: an object as text, anything else as hexadecimal, at most 1024 bytes. */
function summary(body: Buffer): string {
  if (body.length === 0) return '<empty>'
  const head = body.subarray(0, 1024)
  return `${head[0] === 0x7b ? head.toString('utf8') : head.toString('hex')}${body.length > 1024 ? ' ...' : ''}`
}
