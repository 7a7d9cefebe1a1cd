/** The http port as a list of answers and a record of requests, and bytes in the pieces that a test wants. */
import type { Http, HttpRequest, HttpResponse, HttpStream } from '../../src/lib/ports.ts'

export interface Answer {
  status?: number
  headers?: Record<string, string>
  /** Text and bytes as they are, anything else as JSON; a stream gives each as one piece. */
  body?: unknown
  pieces?: readonly (string | Uint8Array)[]
}

export interface FakeHttp extends Http {
  requests: (HttpRequest & { streamTimeoutMs?: number })[]
}

const bytes = (body: unknown): Uint8Array =>
  body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body ?? ''))

export async function* inPieces(pieces: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield await Promise.resolve(bytes(piece))
}

/** Gives the answers in turn, the last one for ever; an Error is thrown. */
export function fakeHttp(...answers: (Answer | Error)[]): FakeHttp {
  const requests: FakeHttp['requests'] = []
  const next = (request: FakeHttp['requests'][number]): Promise<Answer> => {
    requests.push(request)
    const answer = answers[Math.min(requests.length, answers.length) - 1] ?? {}
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)
  }
  return {
    requests,
    request: async (request): Promise<HttpResponse> => {
      const { status = 200, headers = {}, body } = await next(request)
      return { status, headers, body: bytes(body) }
    },
    stream: async (request): Promise<HttpStream> => {
      const { status = 200, headers = {}, body, pieces } = await next(request)
      return { status, headers, chunks: inPieces(pieces ?? [bytes(body)]) }
    },
    presentedCertificates: () => Promise.resolve([]),
    close: () => undefined,
  }
}

export const status = (code: number, message = 'because', more: object = {}): Answer => ({
  status: code,
  headers: { 'content-type': 'application/json' },
  body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message, ...more },
})
