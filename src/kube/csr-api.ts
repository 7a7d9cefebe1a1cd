/** The certificatesigningrequests resource: submit one idempotently, look at it, and watch it until there is news. */
import { BootstrapError } from '../lib/errors.ts'
import type { ApiClient, ApiServer } from './api-request.ts'
import {
  isSameRequest,
  parseRequestObject,
  parseWatchEvent,
  requestObject,
  type DesiredRequest,
  type ObservedRequest,
} from './certificate-signing-request.ts'
import { jsonLines } from './json-lines.ts'

const COLLECTION = '/apis/certificates.k8s.io/v1/certificatesigningrequests'

/** The server ends a watch after this; a connection that is silent for longer is dead. */
const WATCH_SECONDS = 300

function observed(value: unknown, api: ApiServer): ObservedRequest {
  const request = parseRequestObject(value)
  if (request === undefined)
    throw new BootstrapError(
      'response-malformed',
      `${api.server.host} answered with something that is no CertificateSigningRequest`,
    )
  return request
}

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
    return observed(value, api)
  } catch (thrown) {
    if (!(thrown instanceof BootstrapError) || thrown.code !== 'conflict') throw thrown
    return await findRequest(client, api, desired, signal)
  }
}

async function findRequest(
  client: ApiClient,
  api: ApiServer,
  desired: DesiredRequest,
  signal: AbortSignal,
): Promise<ObservedRequest> {
  const value = await client.request(api, { method: 'GET', path: `${COLLECTION}/${desired.name}`, signal })
  if (!isSameRequest(value, desired))
    throw new BootstrapError('csr-foreign', `there is another CertificateSigningRequest with the name ${desired.name}`)
  return observed(value, api)
}

export type WatchNews = { kind: 'changed'; request: ObservedRequest } | { kind: 'gone' } | { kind: 'ended' }

/**
 * Waits for the next change of a request after `seen`. 'ended' is the normal end of a watch without news; 'gone' means
 * deleted, or replaced by another object of the name. Events of other names, from a server that selects nothing, are
 * passed over.
 */
export async function watchRequest(
  client: ApiClient,
  api: ApiServer,
  seen: ObservedRequest,
  signal: AbortSignal,
): Promise<WatchNews> {
  const query = {
    fieldSelector: `metadata.name=${seen.name}`,
    resourceVersion: seen.resourceVersion,
    allowWatchBookmarks: 'true',
  }
  const stream = await client.watch(api, { method: 'GET', path: COLLECTION, query, signal }, WATCH_SECONDS)
  for await (const line of jsonLines(stream.chunks)) {
    const event = parseWatchEvent(line)
    switch (event?.kind) {
      case 'changed': {
        const request = observed(event.object, api)
        if (request.name !== seen.name) break
        if (request.uid !== seen.uid) return { kind: 'gone' }
        if (request.outcome.kind !== seen.outcome.kind) return { kind: 'changed', request }
        break
      }
      case 'deleted':
        if (observed(event.object, api).name === seen.name) return { kind: 'gone' }
        break
      case 'error':
        throw new BootstrapError(
          event.code === 410 ? 'expired' : 'server-failed',
          `the watch ended with ${event.code}: ${event.message}`,
        )
      case 'bookmark':
        break
      case undefined:
        throw new BootstrapError('response-malformed', 'a watch event is of no known type')
    }
  }
  return { kind: 'ended' }
}
