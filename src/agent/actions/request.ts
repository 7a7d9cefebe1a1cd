/** Submits the request and follows it until there is an outcome; a refusal is kept, so that it is not asked for again. */
import { isDeepStrictEqual } from 'node:util'
import type { DesiredRequest, ObservedRequest } from '../../kube/certificate-signing-request.ts'
import { findRequest, LONGEST_WATCH_SECONDS, submitRequest, watchRequest } from '../../kube/csr-api.ts'
import { BootstrapError } from '../../lib/errors.ts'
import { keyFingerprint, subjectPublicKeyInfo } from '../../pki/private-key.ts'
import {
  readRefusal,
  removePendingRequest,
  writePendingRequest,
  writeRefusal,
  type PendingRequest,
  type Refusal,
} from '../../store/pending-request.ts'
import { stateDirectory } from '../certificate-kind.ts'
import { LONGEST_ARRIVAL_MS, unsentSinceMs } from '../arrival.ts'
import { apiServer, pendingRequest, type ActionContext } from '../context.ts'
import { msUntilLapse, type Requester } from '../decide.ts'
import { configurationDigest } from '../digests.ts'
import type { CertificateMemory } from '../observed.ts'

const desiredRequest = ({ kind }: ActionContext, pending: PendingRequest): DesiredRequest => ({
  name: pending.name,
  request: pending.request,
  signerName: kind.signerName,
  usages: pending.usages,
  expirationSeconds: pending.expirationSeconds,
})

export const approvalCommand = (name: string): string => `kubectl certificate approve ${name}`

/** Whoever may approve it may deny it; it must be pending for that. */
export const denialCommand = (name: string): string => `kubectl certificate deny ${name}`

/** A new configuration does not break it off: nobody would hear whether there is a request. */
export async function submit(context: ActionContext, requester: Requester): Promise<void> {
  const { ports, certificateMemory, stopped } = context
  const desired = desiredRequest(context, pendingRequest(context))
  const api = await apiServer(context, requester)
  // Before it is sent: where it is outdated once more, another doubt begins.
  await keepUnsentSince(context, undefined)
  try {
    const request = await submitRequest(ports.client, api, desired, stopped)
    keepInMind(certificateMemory, request)
    logOutcome(context, request)
  } catch (thrown) {
    if (!isTurnedAway(thrown)) certificateMemory.unsentSinceMs = ports.clock.monotonicMs()
    throw thrown
  }
}

/** The API server let nothing through: it can create nothing later either. */
const isTurnedAway = (thrown: unknown): boolean =>
  thrown instanceof BootstrapError && (thrown.code === 'unauthorized' || thrown.code === 'forbidden')

/** It is there: nothing that was sent can create it any more. */
function keepInMind(memory: CertificateMemory, request: ObservedRequest): void {
  memory.request = request
  memory.unsentSinceMs = -Infinity
}

/** It is not created where it is not there: then its key is given up, once it cannot be on its way any more. */
export async function lookUp(context: ActionContext, requester: Requester): Promise<void> {
  const { ports, configuration, kind, certificateMemory, signal } = context
  const pending = pendingRequest(context)
  const desired = desiredRequest(context, pending)
  const found = await findRequest(ports.client, await apiServer(context, requester), desired, signal)
  if (found !== undefined) {
    keepInMind(certificateMemory, found)
    return
  }
  const sinceMs = unsentSinceMs(pending, certificateMemory, ports.clock)
  const retryAfterMs = sinceMs + LONGEST_ARRIVAL_MS - ports.clock.monotonicMs()
  if (retryAfterMs > 0) {
    await keepUnsentSince(context, sinceMs)
    throw new BootstrapError('request-in-doubt', `${pending.name} is not there, and may still be on its way`, {
      retryAfterMs,
    })
  }
  await removePendingRequest(ports.files, stateDirectory(configuration.files, kind))
  ports.log.info(`an outdated ${kind.requestTitle} is no longer in the cluster, and its key is given up`, {
    request: pending.name,
  })
}

/** For the next process, which would begin anew; undefined: it is about to be sent. */
async function keepUnsentSince(context: ActionContext, sinceMs: number | undefined): Promise<void> {
  const { ports, configuration, kind } = context
  const pending = pendingRequest(context)
  const bootId = ports.clock.bootId()
  const unsentSince =
    sinceMs === undefined || bootId === undefined ? undefined : { bootId, monotonicMs: Math.ceil(sinceMs) }
  if (isDeepStrictEqual(unsentSince, pending.unsentSince)) return
  await writePendingRequest(ports.files, stateDirectory(configuration.files, kind), { ...pending, unsentSince })
}

/** A watch that ends sooner than this is a failure, however it ended: begun again at once it would be a tight loop. */
const SHORT_WATCH_MS = 2000

/**
 * One watch: returns with news in memory, or without any where it ended as watches do. After a broken watch and after a
 * deletion the request is submitted again, which finds it where it is there: that is how it is looked up anew.
 */
export async function awaitOutcome(context: ActionContext, requester: Requester): Promise<void> {
  const { ports, kind, certificateMemory, signal } = context
  const seen = context.certificate.request
  if (seen === undefined) throw new BootstrapError('internal', 'there is no request to watch')
  const beganMs = ports.clock.monotonicMs()
  const wasShort = (): boolean => ports.clock.monotonicMs() - beganMs < SHORT_WATCH_MS
  const onChange = (request: ObservedRequest): void => {
    certificateMemory.request = request
    logOutcome(context, request)
    context.onProgress()
  }
  try {
    const api = await apiServer(context, requester)
    const news = await watchRequest(ports.client, api, seen, onChange, watchSeconds(context), signal)
    if (news.kind !== 'decided' && wasShort()) throw endedAtOnce(news.kind, context)
    if (news.kind !== 'gone') certificateMemory.request = news.request
    else {
      certificateMemory.request = undefined
      const becomes = afterDeletion(context)
      ports.log.warn(`the ${kind.requestTitle} was deleted in the cluster, and ${becomes}`, { request: seen.name })
    }
  } catch (thrown) {
    if (signal.aborted) throw thrown
    certificateMemory.request = undefined
    if (wasShort() || !(thrown instanceof BootstrapError) || thrown.code !== 'expired') throw thrown
  }
}

/** Not beyond the end of the certificate in force; and never so short that its end would be taken for a failure. */
function watchSeconds({ ports, seen }: ActionContext): number {
  const leftMs = msUntilLapse(seen, ports.clock.nowMs())
  return Math.min(LONGEST_WATCH_SECONDS, Math.ceil(Math.max(leftMs, 2 * SHORT_WATCH_MS) / 1000))
}

const afterDeletion = ({ certificate }: ActionContext): string =>
  certificate.outdated === undefined ? 'it is submitted again' : 'another takes its place'

const endedAtOnce = (how: 'gone' | 'ended', context: ActionContext): BootstrapError =>
  how === 'ended'
    ? new BootstrapError('connection-lost', 'the server ended the watch at once')
    : new BootstrapError(
        'not-found',
        `${pendingRequest(context).name} was deleted in the cluster as it was looked at`,
        {
          hint: `${afterDeletion(context)}; if that goes on, look for who deletes it in the API server's audit log`,
        },
      )

function logOutcome(context: ActionContext, request: ObservedRequest): void {
  const { kind } = context
  const { log } = context.ports
  const fields = { request: request.name }
  switch (request.outcome.kind) {
    case 'pending':
      log.info(`the ${kind.requestTitle} waits for approval`, {
        ...fields,
        fingerprint: keyFingerprint(subjectPublicKeyInfo(pendingRequest(context).key)),
        approve: approvalCommand(request.name),
        ...(kind.name === 'serving' ? { hint: 'nothing in Kubernetes approves these by itself' } : {}),
      })
      break
    case 'approved':
      log.info(`the ${kind.requestTitle} is approved and waits for its signer`, fields)
      break
    case 'issued':
      log.info(`the ${kind.title} is issued`, fields)
      break
    case 'denied':
    case 'failed':
      break
  }
}

/** Keeps the cluster's no with the reason it gave. */
export async function recordRefusal(context: ActionContext): Promise<void> {
  const { request } = context.certificate
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
  const { ports, configuration, certificateMemory } = context
  const { name } = pendingRequest(context)
  const state = stateDirectory(configuration.files, context.kind)
  const before = await readRefusal(ports.files, state)
  await writeRefusal(ports.files, state, {
    kind,
    name,
    reason,
    message,
    atMs: ports.clock.nowMs(),
    configurationDigest: configurationDigest(configuration),
    count: before === undefined ? 1 : before.count + (before.name === name ? 0 : 1),
  })
  certificateMemory.request = undefined
  // A wish to try again was about what had been refused until then, not about this.
  certificateMemory.retryRefused = false
}
