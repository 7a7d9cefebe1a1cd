/** One watch of CertificateSigningRequests: newline-delimited JSON events until the client goes or its time is over. */
import type { ServerResponse } from 'node:http'
import { ApiStatusError, badRequest, expired } from './api-status.ts'
import type { Clock } from '../lib/ports.ts'
import type { CertificateSigningRequest } from './certificate-signing-requests.ts'
import type { CsrStore } from './csr-store.ts'
import { fieldSelector } from './field-selector.ts'

/** kube-apiserver ends a watch without timeoutSeconds after 30 to 60 minutes. */
const DEFAULT_TIMEOUT_MS = 1_800_000

/** Watches that are open and have asked for bookmarks. */
export type BookmarkReceivers = Set<() => void>

/** Answers `response` with the events that the query asks for; throws a 400 or 500 before anything is written. */
export function serveWatch(
  response: ServerResponse,
  query: URLSearchParams,
  store: CsrStore,
  bookmarks: BookmarkReceivers,
  sleep: Clock['sleep'],
): void {
  const selects = fieldSelector(query.get('fieldSelector'))
  const from = resourceVersionOf(query.get('resourceVersion'))
  const timeoutMs = timeoutOf(query.get('timeoutSeconds'))
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.flushHeaders()
  const send = (type: string, object: unknown): void => {
    response.write(`${JSON.stringify({ type, object })}\n`)
  }
  if (from !== 0 && from < store.oldestResourceVersion) {
    send('ERROR', expired(from, store.oldestResourceVersion).status)
    response.end()
    return
  }
  const sendIfSelected = (type: string, object: CertificateSigningRequest): void => {
    if (selects(object)) send(type, object)
  }
  // Without a resourceVersion a watch begins with what is there.
  if (from === 0) for (const object of store.list()) sendIfSelected('ADDED', object)
  else for (const event of store.since(from)) sendIfSelected(event.type, event.object)
  const unsubscribe = store.subscribe((event) => {
    if (event.resourceVersion > from) sendIfSelected(event.type, event.object)
  })
  const sendBookmark = (): void => {
    send('BOOKMARK', bookmark(store.resourceVersion))
  }
  if (query.get('allowWatchBookmarks') === 'true') bookmarks.add(sendBookmark)
  const closed = new AbortController()
  void sleep(timeoutMs, closed.signal).then(() => {
    if (closed.signal.aborted) return
    if (bookmarks.has(sendBookmark)) sendBookmark()
    response.end()
  })
  response.on('close', () => {
    closed.abort()
    unsubscribe()
    bookmarks.delete(sendBookmark)
  })
}

function resourceVersionOf(text: string | null): number {
  if (text === null || text === '') return 0
  if (/^\d{1,15}$/.test(text)) return Number(text)
  const why = `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`
  throw new ApiStatusError(500, undefined, `resourceVersion: Invalid value: ${JSON.stringify(text)}: ${why}`)
}

function timeoutOf(text: string | null): number {
  if (text === null || text === '') return DEFAULT_TIMEOUT_MS
  if (!/^[+-]?\d{1,9}$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number(text) > 0 ? Math.min(Number(text) * 1000, 2 ** 31 - 1) : DEFAULT_TIMEOUT_MS
}

/** The empty object of the watched kind that Go's encoder writes. */
const bookmark = (resourceVersion: number): unknown => ({
  kind: 'CertificateSigningRequest',
  apiVersion: 'certificates.k8s.io/v1',
  metadata: { resourceVersion: String(resourceVersion), creationTimestamp: null },
  spec: { request: null, signerName: '' },
  status: {},
})
