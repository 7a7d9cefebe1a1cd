/**
 * The http port over got: one https.Agent for each trust, no redirects, no retries, bounded bodies. It translates what
 * got and OpenSSL say into BootstrapErrors and never passes their error objects on, for those hold the request's headers.
 */
import { Agent } from 'node:https'
import type { ConnectionOptions, PeerCertificate } from 'node:tls'
import type { Got, OptionsInit, Request } from 'got'
import { BootstrapError } from '../lib/errors.ts'
import type { Http, HttpRequest, HttpResponse, HttpStream } from '../lib/ports.ts'
import { checkServerName } from './server-name.ts'
import { transportError } from './transport-error.ts'

function agentOptions(request: HttpRequest): ConnectionOptions & { keepAlive: boolean } {
  const common = { keepAlive: true, minVersion: 'TLSv1.2' as const }
  if (typeof request.trust === 'string') return { ...common, rejectUnauthorized: false }
  const identity = request.clientIdentity
  return {
    ...common,
    rejectUnauthorized: true,
    ca: [...request.trust.roots],
    // Go takes any certificate of the pool as an anchor; clusters whose ca.crt is an intermediate exist.
    allowPartialTrustChain: true,
    checkServerIdentity: (host: string, certificate: PeerCertificate) => checkServerName(host, certificate),
    ...(identity === undefined
      ? {}
      : { cert: identity.certificateChain, key: String(identity.privateKey.export({ type: 'pkcs8', format: 'pem' })) }),
  }
}

/** Equal keys may share a connection: the trust and the client identity are all of it. */
function agentKey(request: HttpRequest): string {
  if (typeof request.trust === 'string') return request.trust
  return JSON.stringify([request.trust.roots, request.clientIdentity?.certificateChain ?? null])
}

export class GotHttp implements Http {
  readonly #agents = new Map<string, Agent>()

  /** A cached TLS session would let a connection skip checkServerIdentity: hence maxCachedSessions 0. */
  #agent(request: HttpRequest): Agent {
    const key = agentKey(request)
    const known = this.#agents.get(key)
    if (known !== undefined) return known
    const agent = new Agent({ ...agentOptions(request), maxCachedSessions: 0 })
    this.#agents.set(key, agent)
    return agent
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    const deadline = AbortSignal.timeout(request.timeoutMs)
    const signal = AbortSignal.any([request.signal, deadline])
    const stream = await this.#open(request, signal)
    try {
      const head = await responseHead(stream)
      return { ...head, body: await readBounded(stream, request) }
    } catch (thrown) {
      throw transportError(thrown, request, deadline)
    } finally {
      if (!stream.readableEnded) stream.destroy()
    }
  }

  async stream(request: HttpRequest & { idleTimeoutMs: number }): Promise<HttpStream> {
    const deadline = new AbortController()
    const timer = setTimeout(() => {
      deadline.abort()
    }, request.timeoutMs)
    const stream = await this.#open(request, AbortSignal.any([request.signal, deadline.signal]))
    try {
      const head = await responseHead(stream)
      return { ...head, chunks: readChunks(stream, request) }
    } catch (thrown) {
      stream.destroy()
      throw transportError(thrown, request, deadline.signal)
    } finally {
      clearTimeout(timer)
    }
  }

  async #open(request: HttpRequest, signal: AbortSignal): Promise<Request> {
    const got = await loadGot()
    const options: OptionsInit = {
      method: request.method,
      headers: { 'accept-encoding': 'identity', ...request.headers },
      agent: { https: this.#agent(request) },
      https: { rejectUnauthorized: typeof request.trust !== 'string' },
      followRedirect: false,
      throwHttpErrors: false,
      decompress: false,
      retry: { limit: 0 },
      signal,
      ...(request.body === undefined ? {} : { body: request.body }),
    }
    const stream = got.stream(request.url, options)
    // A failure after the caller has turned away must not end the process; whoever reads the stream still gets it.
    stream.on('error', () => undefined)
    return stream
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy()
    this.#agents.clear()
  }
}

/** Loaded at the first request: at rest, and for `status`, it would only take memory. */
async function loadGot(): Promise<Got> {
  return (await import('got')).default
}

function responseHead(stream: Request): Promise<Omit<HttpResponse, 'body'>> {
  return new Promise((resolve, reject) => {
    stream.once('error', reject)
    stream.once(
      'response',
      (response: { statusCode: number; headers: Record<string, string | string[] | undefined> }) => {
        const headers = Object.entries(response.headers).flatMap(([name, value]) =>
          value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value] as const],
        )
        resolve({ status: response.statusCode, headers: Object.fromEntries(headers) })
      },
    )
  })
}

async function readBounded(stream: Request, request: HttpRequest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > request.maxBodyBytes)
      throw new BootstrapError(
        'body-too-large',
        `${request.url.host} answered with more than ${request.maxBodyBytes} bytes`,
      )
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function* readChunks(
  stream: Request,
  request: HttpRequest & { idleTimeoutMs: number },
): AsyncGenerator<Uint8Array> {
  const silence = new BootstrapError(
    'timed-out',
    `${request.url.host} was silent for ${request.idleTimeoutMs / 1000} s`,
  )
  const timer = setTimeout(() => stream.destroy(silence), request.idleTimeoutMs)
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      timer.refresh()
      yield chunk
    }
  } catch (thrown) {
    throw transportError(thrown, request)
  } finally {
    clearTimeout(timer)
    stream.destroy()
  }
}
