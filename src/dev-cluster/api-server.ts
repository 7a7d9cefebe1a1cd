/** Answers one API request: authentication, authorization, then the handler; every refusal becomes a Status. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ApiStatusError, methodNotAllowed, notAcceptable, notFound, resourceNotFound } from './api-status.ts'
import { authenticate, type AuthenticationOptions, type Credentials, type User } from './authentication.ts'
import { authorize } from './authorization.ts'
import { GROUP, KIND, RESOURCE } from './certificate-signing-requests.ts'
import type { ClusterInfo } from './cluster-info.ts'
import * as csrApi from './csr-api.ts'
import type { CsrStore } from './csr-store.ts'
import { readJson } from './request-body.ts'
import { requestInfo, type RequestInfo } from './request-info.ts'
import { type BookmarkReceivers, serveWatch } from './watch.ts'
import type { Clock } from '../lib/ports.ts'

export interface ApiServerOptions extends AuthenticationOptions {
  store: CsrStore
  clusterInfo: ClusterInfo
  bookmarks: BookmarkReceivers
  kubernetesVersion: string
  /** Of the clock that ends watches. */
  sleep: Clock['sleep']
}

export interface ApiRequest {
  incoming: IncomingMessage
  response: ServerResponse
  credentials: Credentials
  /** Told who it is as soon as that is known. */
  onAuthenticated: (user: User) => void
}

/** Never rejects; the response has been sent or, for a watch, begun when it resolves. */
export async function answer(request: ApiRequest, options: ApiServerOptions): Promise<void> {
  const { response } = request
  response.setHeader('Cache-Control', 'no-cache, private')
  try {
    await handle(request, options)
  } catch (error) {
    const failure =
      error instanceof ApiStatusError
        ? error
        : new ApiStatusError(500, 'InternalError', `Internal error occurred: ${String(error)}`)
    if (response.headersSent) response.destroy()
    else sendFailure(request, failure)
  }
}

function sendFailure({ incoming, response }: ApiRequest, failure: ApiStatusError): void {
  const { code } = failure.status
  if (code === 401 || code === 403) response.setHeader('X-Content-Type-Options', 'nosniff')
  // What is left of an oversized or unread body would be taken for the next request.
  if (!incoming.complete) response.setHeader('Connection', 'close')
  sendJson(response, code, failure.status)
}

function sendJson(response: ServerResponse, code: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(code, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
  response.end(text)
}

function sendText(response: ServerResponse, code: number, text: string): void {
  response.writeHead(code, { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' })
  response.end(text)
}

async function handle(request: ApiRequest, options: ApiServerOptions): Promise<void> {
  const { incoming, response } = request
  const user = authenticate(request.credentials, options)
  request.onAuthenticated(user)
  const info = requestInfo(incoming.method ?? '', incoming.url ?? '/')
  authorize(user, info)
  if (info.resource === undefined) servePath(info, response, options)
  else if (!acceptsJson(incoming.headers.accept)) throw notAcceptable()
  else await serveResource(request, user, info, info.resource, options)
}

const acceptsJson = (accept: string | undefined): boolean =>
  accept === undefined ||
  accept
    .split(',')
    .map((range) => range.split(';')[0]?.trim())
    .some((range) => range === 'application/json' || range === 'application/*' || range === '*/*')

function servePath({ path, verb }: RequestInfo, response: ServerResponse, options: ApiServerOptions): void {
  const known = path.replace(/\/$/, '')
  if (['/healthz', '/livez', '/readyz'].includes(known)) {
    sendText(response, 200, 'ok')
  } else if (known === '/version') {
    if (verb !== 'get') throw methodNotAllowed()
    sendJson(response, 200, versionInfo(options.kubernetesVersion))
  } else if (known.startsWith('/apis/')) {
    sendText(response, 404, '404 page not found\n')
  } else {
    sendJson(response, 404, { paths: ['/apis', `/apis/${GROUP}/v1`, '/healthz', '/livez', '/readyz', '/version'] })
  }
}

function versionInfo(gitVersion: string): Record<string, string> {
  const [, major = '', minor = ''] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? []
  const commit = { gitCommit: '0'.repeat(40), gitTreeState: 'clean', buildDate: '1970-01-01T00:00:00Z' }
  return { major, minor, gitVersion, ...commit, goVersion: 'none', compiler: 'none', platform: 'linux/amd64' }
}

type Resource = NonNullable<RequestInfo['resource']>

async function serveResource(
  request: ApiRequest,
  user: User,
  info: RequestInfo,
  target: Resource,
  options: ApiServerOptions,
): Promise<void> {
  const { group, version, resource, namespace } = target
  if (group === GROUP && version === 'v1' && resource === RESOURCE) {
    await serveCsr(request, user, info, target, options)
    return
  }
  const isRead = info.verb === 'get' && target.name !== undefined && target.subresource === undefined
  const isCore = group === '' && version === 'v1' && (resource === 'configmaps' || resource === 'nodes')
  if (!isCore || (resource === 'configmaps') !== (namespace !== undefined)) throw resourceNotFound()
  if (!isRead) throw methodNotAllowed()
  const isClusterInfo = namespace === 'kube-public' && target.name === 'cluster-info'
  const configMap = isClusterInfo ? options.clusterInfo.configMap() : undefined
  if (configMap === undefined) throw notFound(target)
  sendJson(request.response, 200, configMap)
}

async function serveCsr(
  { incoming, response }: ApiRequest,
  user: User,
  info: RequestInfo,
  { name, subresource }: Resource,
  options: ApiServerOptions,
): Promise<void> {
  const { verb, query } = info
  if (name === undefined || verb === 'list' || verb === 'watch') {
    if (verb === 'watch') serveWatch(response, query, options.store, options.bookmarks, options.sleep)
    else if (verb === 'list') sendJson(response, 200, csrApi.listRequests(query, options))
    else if (verb === 'create')
      sendJson(response, 201, csrApi.postRequest(await readJson(incoming, KIND), user, query, options))
    else throw methodNotAllowed()
  } else if (subresource === undefined) {
    if (verb === 'get') sendJson(response, 200, csrApi.getRequest(name, options))
    else if (verb === 'delete') sendJson(response, 200, csrApi.deleteRequest(name, options))
    else throw methodNotAllowed()
  } else if (subresource !== 'approval' && subresource !== 'status') throw resourceNotFound()
  else if (verb === 'get') sendJson(response, 200, csrApi.getRequest(name, options))
  else if (verb === 'update' && subresource === 'approval')
    sendJson(response, 200, csrApi.updateApproval(name, await readJson(incoming, KIND), options))
  else throw methodNotAllowed()
}
