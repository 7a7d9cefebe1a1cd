/** One request to an API server: where to, trusted by what, as whom; and its answer as JSON or as one BootstrapError. */
import { BootstrapError } from '../lib/errors.ts'
import { httpDate } from '../lib/http-date.ts'
import { parseJson } from '../lib/json.ts'
import type { ClientIdentity, Clock, Http, HttpRequest, HttpStream, Trust, VerifiedTrust } from '../lib/ports.ts'
import type { Secret } from '../lib/secret.ts'
import { statusError } from './status-error.ts'

export type Credential =
  { kind: 'anonymous' } | { kind: 'token'; token: Secret } | { kind: 'certificate'; identity: ClientIdentity }

/** A server that nothing vouches for is never shown a credential. */
export type ApiServer = {
  /** https://host:port, with a base path where the cluster is served under one. */
  server: URL
} & (
  | { trust: VerifiedTrust; credential: Credential }
  | { trust: Trust; credential: Extract<Credential, { kind: 'anonymous' }> }
)

export interface ApiRequest {
  method: 'GET' | 'POST'
  /** Below the server's own path, beginning with a slash; already percent-encoded. */
  path: string
  query?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  body?: unknown
  signal: AbortSignal
}

export const REQUEST_TIMEOUT_MS = 10_000
const MAX_BODY_BYTES = 1024 * 1024
const MAX_REFUSAL_BYTES = 64 * 1024
const WATCH_GRACE_MS = 30_000

/** The address of `path` at an API server that may itself live below a path. */
export function apiUrl(server: URL, path: string, query: Readonly<Record<string, string>> = {}): URL {
  const url = new URL(server)
  url.pathname = server.pathname.replace(/\/$/, '') + path
  url.search = new URLSearchParams(query).toString()
  return url
}

function toHttpRequest(api: ApiServer, request: ApiRequest, userAgent: string): HttpRequest {
  const { credential } = api
  return {
    method: request.method,
    url: apiUrl(api.server, request.path, request.query),
    trust: api.trust,
    headers: {
      accept: 'application/json',
      'user-agent': userAgent,
      ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(credential.kind === 'token' ? { authorization: `Bearer ${credential.token.reveal()}` } : {}),
    },
    ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    ...(credential.kind === 'certificate' ? { clientIdentity: credential.identity } : {}),
    timeoutMs: REQUEST_TIMEOUT_MS,
    maxBodyBytes: MAX_BODY_BYTES,
    signal: request.signal,
  }
}

/**
 * Speaks to API servers over one http port; `request` gives the JSON of a 2xx answer.
 * Throws BootstrapErrors of transport and of status, once; retrying is the loop's.
 */
export class ApiClient {
  readonly #http: Http
  readonly #clock: Clock
  readonly #userAgent: string
  #clockSkewMs: number | undefined

  constructor(http: Http, clock: Clock, userAgent: string) {
    this.#http = http
    this.#clock = clock
    this.#userAgent = userAgent
  }

  /** The last server's clock, by its Date header, minus this machine's: of a second's precision, and no more to be trusted than the server was. */
  get clockSkewMs(): number | undefined {
    return this.#clockSkewMs
  }

  /** What an earlier answer said was compared with a clock that may have been set since. */
  forgetClockSkew(): void {
    this.#clockSkewMs = undefined
  }

  async request(api: ApiServer, request: ApiRequest): Promise<unknown> {
    const response = await this.#http.request(toHttpRequest(api, request, this.#userAgent))
    const dateMs = httpDate(response.headers['date'] ?? '')
    if (!Number.isNaN(dateMs)) this.#clockSkewMs = dateMs - this.#clock.nowMs()
    if (response.status < 200 || response.status > 299) throw statusError(response, api.server)
    const value = parseJson(response.body)
    if (value === undefined)
      throw new BootstrapError(
        'not-kubernetes',
        `${api.server.host} answered ${response.status} with something that is no JSON`,
      )
    return value
  }

  /** A watch: the server is asked to end it after `timeoutSeconds`, and is cut off when it has not done so well after that. */
  async watch(api: ApiServer, request: ApiRequest, timeoutSeconds: number): Promise<HttpStream> {
    const query = { ...request.query, watch: 'true', timeoutSeconds: String(timeoutSeconds) }
    const stream = await this.#http.stream({
      ...toHttpRequest(api, { ...request, query }, this.#userAgent),
      streamTimeoutMs: timeoutSeconds * 1000 + WATCH_GRACE_MS,
    })
    if (stream.status === 200) return stream
    throw statusError({ ...stream, body: await refusalBody(stream) }, api.server)
  }

  close(): void {
    this.#http.close()
  }
}

/** A refusal's Status may come in pieces; of what is too long to be one, the beginning is enough. */
async function refusalBody(stream: HttpStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream.chunks) {
    chunks.push(chunk)
    size += chunk.length
    if (size > MAX_REFUSAL_BYTES) break
  }
  return Buffer.concat(chunks)
}
