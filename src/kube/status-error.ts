/** Translates an answer that is no success into one BootstrapError, with Kubernetes' own words where it sent a Status. */
import type { ErrorCode } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import { httpDate } from '../lib/http-date.ts'
import { parseJson, textAt } from '../lib/json.ts'
import type { HttpResponse } from '../lib/ports.ts'
import { printable } from '../lib/text.ts'

const codes: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  409: 'conflict',
  410: 'expired',
  429: 'throttled',
}

/** Overload and failure may be answered by a load balancer in front; any other refusal of an API server is a Status. */
function codeOf(status: number, isStatus: boolean): ErrorCode {
  if (status >= 300 && status <= 399) return 'redirect-refused'
  if (status >= 500) return 'server-failed'
  if (!isStatus && status !== 429) return 'not-kubernetes'
  return codes[status] ?? (status >= 400 ? 'request-rejected' : 'response-malformed')
}

const MAX_RETRY_AFTER_MS = 60 * 60 * 1000

/** `Retry-After` (RFC 9110 §10.2.3) as a span, from seconds or a date; at most an hour, so that no answer parks a node. */
export function retryAfterMs(headers: Readonly<Record<string, string>>): number | undefined {
  const value = headers['retry-after']
  if (value === undefined) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : httpDate(value) - httpDate(headers['date'] ?? '')
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS)
}

/** Where a redirect leads, for people: without its path and query, which may hold a secret. Empty where it names nothing. */
export function redirectOrigin({ headers }: Pick<HttpResponse, 'headers'>, from: URL): string {
  const target = URL.parse(headers['location'] ?? '', from.href)
  if (target === null || headers['location'] === undefined) return ''
  return printable(target.host === '' ? target.protocol : `${target.protocol}//${target.host}`, 120)
}

/** `response` is of any status but 2xx. */
export function statusError(response: HttpResponse, server: URL): BootstrapError {
  const body = parseJson(response.body)
  const isStatus = textAt(body, 'kind') === 'Status'
  const message = isStatus
    ? printable(textAt(body, 'message') ?? '')
    : `no Kubernetes Status (${describeBody(response)})`
  const retryAfter = retryAfterMs(response.headers)
  const code = codeOf(response.status, isStatus)
  const target = code === 'redirect-refused' ? redirectOrigin(response, server) : ''
  return new BootstrapError(
    code,
    `${server.host} answered ${response.status}${target === '' ? '' : `, a redirect to ${target}`}: ${message}`,
    {
      ...(retryAfter === undefined ? {} : { retryAfterMs: retryAfter }),
      ...(isStatus ? {} : { hint: 'check for a proxy or load balancer in the way, and its backends' }),
    },
  )
}

function describeBody(response: HttpResponse): string {
  if (response.body.length === 0) return 'an empty body'
  return printable(response.headers['content-type'] ?? 'no content type', 80)
}
