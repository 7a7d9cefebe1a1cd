/**
 * The http port over got: one https.Agent for each trust, no redirects, no retries, bounded bodies. It translates what
 * got and OpenSSL say into BootstrapErrors and never passes their error objects on, for those hold the request's headers.
 */
import type { Agent } from 'node:https'
import type { ConnectionOptions, PeerCertificate } from 'node:tls'
import type { Got, OptionsInit, Request } from 'got'
import type { ErrorCode } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Http, HttpRequest, HttpResponse, HttpStream } from '../lib/ports.ts'
import { presentedChain, unverifiedTime } from './presented-chain.ts'
import { proxyChallenge } from './proxy-challenge.ts'
import { proxyFault, verifyProxiesBySystemRoots } from './proxy-trust.ts'
import { proxyFor } from './proxy.ts'
import { describeRefused, isExplainable, isOfCertificate, isOfTime } from './refused-certificate.ts'
import { checkServerName } from './server-name.ts'
import { transportError } from './transport-error.ts'
import { agentThrough } from './tunnel.ts'

/** An explanation must not hold the next attempt up. */
const EXPLANATION_TIMEOUT_MS = 2000

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

/** Equal keys may share a connection: the trust, the client identity and the way there are all of it. */
function agentKey(request: HttpRequest, proxy: URL | undefined): string {
  const { trust, clientIdentity } = request
  const roots = typeof trust === 'string' ? trust : trust.roots
  return JSON.stringify([roots, clientIdentity?.certificateChain ?? null, proxy?.href ?? null])
}

export class GotHttp implements Http {
  readonly #agents = new Map<string, Agent>()
  readonly #environment: Readonly<Record<string, string | undefined>>

  /** `environment` for HTTPS_PROXY and NO_PROXY. */
  constructor(environment: Readonly<Record<string, string | undefined>> = {}) {
    this.#environment = environment
  }

  /** A cached TLS session would let a connection skip checkServerIdentity: hence maxCachedSessions 0. */
  #agent(request: HttpRequest): Agent {
    const proxy = this.#proxy(request.url)
    const key = agentKey(request, proxy)
    const known = this.#agents.get(key)
    if (known !== undefined) return known
    const agent = agentThrough(proxy, { ...agentOptions(request), maxCachedSessions: 0 })
    this.#agents.set(key, agent)
    return agent
  }

  #proxy(url: URL): URL | undefined {
    const proxy = proxyFor(url, this.#environment)
    if (proxy?.protocol === 'https:') verifyProxiesBySystemRoots()
    return proxy
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    const deadline = AbortSignal.timeout(request.timeoutMs)
    const signal = AbortSignal.any([request.signal, deadline])
    const stream = await this.#open(request, signal)
    try {
      const head = await responseHead(stream)
      return { ...head, body: await readBounded(stream, request) }
    } catch (thrown) {
      throw await this.#explained(transportError(thrown, request, this.#proxy(request.url), deadline), request)
    } finally {
      if (!stream.readableEnded) stream.destroy()
    }
  }

  async stream(request: HttpRequest & { streamTimeoutMs: number }): Promise<HttpStream> {
    const deadline = new AbortController()
    const timer = setTimeout(() => {
      deadline.abort()
    }, request.timeoutMs)
    const stream = await this.#open(request, AbortSignal.any([request.signal, deadline.signal]))
    try {
      const head = await responseHead(stream)
      return { ...head, chunks: readChunks(stream, request, this.#proxy(request.url)) }
    } catch (thrown) {
      stream.destroy()
      throw await this.#explained(transportError(thrown, request, this.#proxy(request.url), deadline.signal), request)
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

  /** Node's errors do not say what a certificate was, nor what a proxy asked for: both are asked for once more. */
  async #explained(error: BootstrapError, request: Pick<HttpRequest, 'url' | 'signal'>): Promise<BootstrapError> {
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(EXPLANATION_TIMEOUT_MS)])
    const ofProxy = await this.#proxyError(error.code, request.url, signal)
    if (ofProxy !== undefined) return ofProxy
    const explanation = await this.#explanationOf(error.code, request.url, signal).catch(() => undefined)
    if (explanation === undefined) return error
    const { code, message, hint, retryable } = error
    return new BootstrapError(code, `${message}: ${explanation}`, { hint, retryable })
  }

  /** Two certificates are verified on the way through a proxy over TLS, and Node does not say which of them was refused. */
  async #proxyError(code: ErrorCode, url: URL, signal: AbortSignal): Promise<BootstrapError | undefined> {
    const proxy = this.#proxy(url)
    if (proxy?.protocol !== 'https:' || !isOfCertificate(code)) return undefined
    const fault = await proxyFault(proxy, signal)
    return fault === undefined
      ? undefined
      : new BootstrapError('proxy-untrusted', `the proxy ${proxy.host} shows a certificate that is refused (${fault})`)
  }

  async #explanationOf(code: ErrorCode, url: URL, signal: AbortSignal): Promise<string | undefined> {
    const proxy = this.#proxy(url)
    if (code === 'proxy-authentication-required' && proxy !== undefined) {
      const schemes = await proxyChallenge(proxy, url, signal)
      return schemes.length === 0 ? undefined : `it asks for ${schemes.join(' or ')}`
    }
    if (!isExplainable(code)) return undefined
    const [leaf] = await presentedChain(url, proxy, signal)
    const serverNowMs = isOfTime(code) ? await unverifiedTime(url, proxy, signal).catch(() => undefined) : undefined
    return leaf === undefined ? undefined : describeRefused(code, leaf, Date.now(), serverNowMs)
  }

  async presentedCertificates(url: URL, timeoutMs: number, signal: AbortSignal): Promise<readonly Uint8Array[]> {
    const proxy = this.#proxy(url)
    const deadline = AbortSignal.timeout(timeoutMs)
    try {
      return await presentedChain(url, proxy, AbortSignal.any([signal, deadline]))
    } catch (thrown) {
      throw await this.#explained(transportError(thrown, { url, timeoutMs, signal }, proxy, deadline), { url, signal })
    }
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
  request: HttpRequest & { streamTimeoutMs: number },
  proxy: URL | undefined,
): AsyncGenerator<Uint8Array> {
  const lateness = new BootstrapError(
    'timed-out',
    `${request.url.host} did not end its answer within ${request.streamTimeoutMs / 1000} s`,
  )
  const timer = setTimeout(() => stream.destroy(lateness), request.streamTimeoutMs)
  try {
    yield* stream as AsyncIterable<Uint8Array>
  } catch (thrown) {
    throw transportError(thrown, request, proxy)
  } finally {
    clearTimeout(timer)
    stream.destroy()
  }
}
