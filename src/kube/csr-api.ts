/** The certificatesigningrequests resource: submit one idempotently, look at it, and watch it until there is news. */
import type { ErrorCode } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import { listAt, textAt } from '../lib/json.ts'
import type { ApiClient, ApiServer } from './api-request.ts'
import {
  isSameRequest,
  parseRequestObject,
  parseWatchEvent,
  requestObject,
  type DesiredRequest,
  type ObservedRequest,
  type WatchEvent,
} from './certificate-signing-request.ts'
import { jsonLines } from './json-lines.ts'

const API_VERSION = 'certificates.k8s.io/v1'
const KIND = 'CertificateSigningRequest'
const COLLECTION = `/apis/${API_VERSION}/certificatesigningrequests`

/** The server ends a watch after this; one that goes on for longer is cut off, whatever it sends. */
export const LONGEST_WATCH_SECONDS = 300

function observed(value: unknown, api: ApiServer): ObservedRequest {
  const request = parseRequestObject(value)
  if (request === undefined) throw malformed(api)
  return request
}

const malformed = (api: ApiServer): BootstrapError =>
  new BootstrapError('response-malformed', `${api.server.host} answered with something that is no ${KIND}`)

/**
 * Creates the request, or finds the same one where it is there already: any number of calls leave one.
 * `csr-foreign` where another request has its name.
 */
export async function submitRequest(
  client: ApiClient,
  api: ApiServer,
  desired: DesiredRequest,
  signal: AbortSignal,
): Promise<ObservedRequest> {
  try {
    const value = await client.request(api, {
      method: 'POST',
      path: COLLECTION,
      body: requestObject(desired),
      signal,
    })
    const request = observed(value, api)
    if (request.name !== desired.name) throw malformed(api)
    return request
  } catch (thrown) {
    if (!(thrown instanceof BootstrapError) || thrown.code !== 'conflict') throw thrown
    const found = await findRequest(client, api, desired, signal)
    if (found === undefined) throw new BootstrapError('conflict', `${desired.name} was deleted in this moment`)
    return found
  }
}

/**
 * The one that is there, with the collection's resourceVersion in place of its own: an API server that was restarted, or
 * has seen enough other requests since, answers a watch from the object's own version with 410, for ever. Undefined where
 * there is none; `csr-foreign` where another request has its name.
 */
export async function findRequest(
  client: ApiClient,
  api: ApiServer,
  desired: DesiredRequest,
  signal: AbortSignal,
): Promise<ObservedRequest | undefined> {
  const query = { fieldSelector: `metadata.name=${desired.name}` }
  const list = await client.request(api, { method: 'GET', path: COLLECTION, query, signal })
  const resourceVersion = textAt(list, 'metadata', 'resourceVersion')
  if (textAt(list, 'kind') !== `${KIND}List` || resourceVersion === undefined) throw malformed(api)
  const [item] = listAt(list, 'items')
  if (item === undefined) return undefined
  if (!isSameRequest(item, desired))
    throw new BootstrapError('csr-foreign', `there is another ${KIND} with the name ${desired.name}`)
  // The items of a list say neither their version nor their kind.
  return { ...observed({ ...(item as object), apiVersion: API_VERSION, kind: KIND }, api), resourceVersion }
}

export type WatchNews =
  /** There is an outcome that does not change any more: issued, denied or failed. */
  | { kind: 'decided'; request: ObservedRequest }
  /** Deleted, or replaced by another object of the name. */
  | { kind: 'gone' }
  /** The normal end of a watch; `request` is what was seen last. */
  | { kind: 'ended'; request: ObservedRequest }

const isDecided = ({ outcome }: ObservedRequest): boolean => outcome.kind !== 'pending' && outcome.kind !== 'approved'

/**
 * Follows a request from `seen` on until it is decided; `onChange` hears of what happens on the way. A watch that could be
 * opened ends as watches do, also where the connection breaks; one that could not be opened throws. Events of other
 * names, from a server that selects nothing, are passed over.
 */
export async function watchRequest(
  client: ApiClient,
  api: ApiServer,
  seen: ObservedRequest,
  onChange: (request: ObservedRequest) => void,
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<WatchNews> {
  let last = seen
  const query = {
    fieldSelector: `metadata.name=${seen.name}`,
    resourceVersion: seen.resourceVersion,
    allowWatchBookmarks: 'true',
  }
  const stream = await client.watch(api, { method: 'GET', path: COLLECTION, query, signal }, timeoutSeconds)
  try {
    for await (const line of jsonLines(stream.chunks)) {
      const event = parseWatchEvent(line)
      if (event === undefined) throw new BootstrapError('response-malformed', 'a watch event is of no known type')
      if (event.kind === 'error') throw endedByServer(event)
      if (event.kind === 'bookmark') {
        last = { ...last, resourceVersion: event.resourceVersion ?? last.resourceVersion }
        continue
      }
      const request = observed(event.object, api)
      if (request.name !== seen.name) continue
      if (event.kind === 'deleted' || request.uid !== seen.uid) return { kind: 'gone' }
      if (request.outcome.kind !== last.outcome.kind) onChange(request)
      last = request
      if (isDecided(request)) return { kind: 'decided', request }
    }
  } catch (thrown) {
    if (!(thrown instanceof BootstrapError) || !BROKEN.includes(thrown.code) || signal.aborted) throw thrown
  }
  return { kind: 'ended', request: last }
}

const BROKEN: readonly ErrorCode[] = ['connection-lost', 'timed-out']

const endedByServer = ({ code, message }: WatchEvent & { kind: 'error' }): BootstrapError =>
  new BootstrapError(code === 410 ? 'expired' : 'server-failed', `the watch ended with ${code}: ${message}`)
