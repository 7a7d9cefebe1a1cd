/** Submits the request and follows it until there is an outcome; a refusal is kept, so that it is not asked for again. */
import { CLIENT_SIGNER, type DesiredRequest, type ObservedRequest } from '../../kube/certificate-signing-request.ts'
import { submitRequest, watchRequest } from '../../kube/csr-api.ts'
import { BootstrapError, type ErrorCode } from '../../lib/errors.ts'
import { keyFingerprint, subjectPublicKeyInfo } from '../../pki/private-key.ts'
import { writeRefusal, type PendingRequest, type Refusal } from '../../store/pending-request.ts'
import { apiServer, pendingRequest, type ActionContext } from '../context.ts'
import type { Requester } from '../decide.ts'
import { configurationDigest } from '../digests.ts'

const desiredRequest = ({ name, request, usages, expirationSeconds }: PendingRequest): DesiredRequest => ({
  name,
  request,
  signerName: CLIENT_SIGNER,
  usages,
  expirationSeconds,
})

export const approvalCommand = (name: string): string => `kubectl certificate approve ${name}`

export async function submit(context: ActionContext, requester: Requester): Promise<void> {
  const { ports, memory, signal } = context
  const pending = pendingRequest(context)
  memory.request = await submitRequest(
    ports.client,
    await apiServer(context, requester),
    desiredRequest(pending),
    signal,
  )
  logOutcome(context, memory.request)
}

/** A watch that ends sooner than this, unless with an outcome, would be begun again in a tight loop. */
const SHORT_WATCH_MS = 2000
const ordinaryEnds: readonly ErrorCode[] = ['connection-lost', 'timed-out', 'expired']
const DELETED = 'the request was deleted in the cluster and is submitted again'

/** One watch: returns with news in memory, or without any where it ended as watches do. */
export async function awaitOutcome(context: ActionContext, requester: Requester): Promise<void> {
  const { ports, memory, signal, seen } = context
  if (seen.request === undefined) throw new BootstrapError('internal', 'there is no request to watch')
  const beganMs = ports.clock.monotonicMs()
  const wasShort = (): boolean => ports.clock.monotonicMs() - beganMs < SHORT_WATCH_MS
  try {
    const news = await watchRequest(ports.client, await apiServer(context, requester), seen.request, signal)
    if (news.kind === 'ended' && wasShort())
      throw new BootstrapError('connection-lost', 'the server ended the watch at once')
    if (news.kind === 'ended') return
    memory.request = news.kind === 'changed' ? news.request : undefined
    if (news.kind === 'changed') logOutcome(context, news.request)
    else if (wasShort()) throw new BootstrapError('conflict', DELETED)
    else ports.log.warn(DELETED, { request: seen.request.name })
  } catch (thrown) {
    if (!(thrown instanceof BootstrapError)) throw thrown
    // Too old a resourceVersion is an ordinary end as well: the request is looked up again.
    if (thrown.code === 'expired') memory.request = undefined
    if (wasShort() || !ordinaryEnds.includes(thrown.code)) throw thrown
  }
}

function logOutcome(context: ActionContext, request: ObservedRequest): void {
  const { log } = context.ports
  const fields = { request: request.name }
  switch (request.outcome.kind) {
    case 'pending':
      log.info('the request waits for approval', {
        ...fields,
        fingerprint: keyFingerprint(subjectPublicKeyInfo(pendingRequest(context).key)),
        approve: approvalCommand(request.name),
      })
      break
    case 'approved':
      log.info('the request is approved and waits for its signer', fields)
      break
    case 'issued':
      log.info('the certificate is issued', fields)
      break
    case 'denied':
    case 'failed':
      break
  }
}

/** Keeps the cluster's no with the reason it gave. */
export async function recordRefusal(context: ActionContext): Promise<void> {
  const request = context.seen.request
  if (request === undefined || (request.outcome.kind !== 'denied' && request.outcome.kind !== 'failed'))
    throw new BootstrapError('internal', 'there is no refusal to record')
  await keepRefusal(context, request.outcome.kind, request.outcome.reason, request.outcome.message)
}

export async function keepRefusal(
  context: ActionContext,
  kind: Refusal['kind'],
  reason: string,
  message: string,
): Promise<void> {
  const { ports, configuration, memory } = context
  await writeRefusal(ports.files, configuration.files.state, {
    kind,
    name: pendingRequest(context).name,
    reason,
    message,
    atMs: ports.clock.nowMs(),
    configurationDigest: configurationDigest(configuration),
  })
  memory.request = undefined
}
