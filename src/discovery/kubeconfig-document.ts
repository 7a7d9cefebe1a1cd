/** Fetches the document of HTTPS discovery: verified on every hop, bounded, conditional. What it says is read elsewhere. */
import { REQUEST_TIMEOUT_MS } from '../kube/api-request.ts'
import { redirectOrigin, retryAfterMs } from '../kube/status-error.ts'
import type { ErrorCode } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Http, HttpResponse, VerifiedTrust } from '../lib/ports.ts'
import { MAX_FILE_BYTES } from '../lib/text-file.ts'
import { USER_AGENT } from '../lib/version.ts'
import type { KubeconfigDocument } from './discovered.ts'

export interface DocumentRequest {
  url: URL
  /** What vouches for the server of a URL; asked for each hop. */
  trustFor: (url: URL) => Promise<VerifiedTrust>
  /** What was fetched before: where it has not changed, its server need not send it again. */
  known: KubeconfigDocument | undefined
}

const MAX_REDIRECTS = 5
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308]

/** Without its query, which may hold a secret. */
export const urlLabel = (url: URL): string => `${url.origin}${url.pathname}`

/** Throws `kubeconfig-unavailable`, `redirect-refused`, `throttled`, `server-failed`, and errors of transport. */
export async function fetchDocument(
  http: Http,
  request: DocumentRequest,
  signal: AbortSignal,
): Promise<KubeconfigDocument> {
  let { url } = request
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const response = await get(http, request, url, signal)
    if (!REDIRECTS.includes(response.status)) return documentOf(response, url, request.known)
    url = redirectTarget(url, response)
  }
  throw new BootstrapError('redirect-refused', `${urlLabel(request.url)} redirects more than ${MAX_REDIRECTS} times`, {
    hint: 'correct the redirects of that server, or give discovery.https.url the final address',
  })
}

async function get(http: Http, request: DocumentRequest, url: URL, signal: AbortSignal): Promise<HttpResponse> {
  return await http.request({
    method: 'GET',
    url,
    trust: await request.trustFor(url),
    headers: {
      accept: 'application/yaml, application/json, text/plain, */*;q=0.1',
      'user-agent': USER_AGENT,
      // A validator is about one address: another may use the same one for something else.
      ...(request.known?.url === url.href ? validators(request.known) : {}),
    },
    timeoutMs: REQUEST_TIMEOUT_MS,
    maxBodyBytes: MAX_FILE_BYTES,
    signal,
  })
}

const validators = ({ etag, lastModified }: KubeconfigDocument): Record<string, string> => ({
  ...(etag === undefined ? {} : { 'if-none-match': etag }),
  ...(lastModified === undefined ? {} : { 'if-modified-since': lastModified }),
})

function documentOf(response: HttpResponse, url: URL, known: KubeconfigDocument | undefined): KubeconfigDocument {
  const { status, headers, body } = response
  if (status === 304 && known?.url === url.href) return known
  if (status !== 200) throw refusal(response, url)
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
    return { url: url.href, text, etag: headers['etag'], lastModified: headers['last-modified'] }
  } catch (cause) {
    throw new BootstrapError('kubeconfig-malformed', `${urlLabel(url)} is no text in UTF-8`, { cause })
  }
}

function refusal({ status, headers }: HttpResponse, url: URL): BootstrapError {
  const retryAfter = retryAfterMs(headers)
  const code: ErrorCode = status === 429 ? 'throttled' : status >= 500 ? 'server-failed' : 'kubeconfig-unavailable'
  return new BootstrapError(code, `${urlLabel(url)} answered ${status}`, {
    ...(code === 'server-failed' ? { hint: 'look at the health of the server that hands the kubeconfig out' } : {}),
    ...(retryAfter === undefined ? {} : { retryAfterMs: retryAfter }),
  })
}

/** Only to https, where the next hop is verified as the first one was; without credentials in the address. */
function redirectTarget(from: URL, response: HttpResponse): URL {
  const { headers, status } = response
  const target = URL.parse(headers['location'] ?? '', from.href)
  const fault =
    target === null || headers['location'] === undefined
      ? 'that leads nowhere'
      : target.protocol !== 'https:'
        ? 'that is not to https'
        : target.username !== '' || target.password !== ''
          ? 'with a user or password in it'
          : undefined
  if (target !== null && fault === undefined) return target
  const origin = redirectOrigin(response, from)
  const to = origin === '' ? '' : `to ${origin} `
  throw new BootstrapError('redirect-refused', `${urlLabel(from)} answered ${status}, a redirect ${to}${fault ?? ''}`, {
    hint: 'correct the redirect, or give discovery.https.url the final address: only https is followed',
  })
}
