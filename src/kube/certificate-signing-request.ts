/** A CertificateSigningRequest as the API server shows it: what we ask for, and what became of it. */
import { fieldAt, listAt, numberAt, textAt } from '../lib/json.ts'
import { printable } from '../lib/text.ts'

const API_VERSION = 'certificates.k8s.io/v1'
const KIND = 'CertificateSigningRequest'

export const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet'
export const SERVING_SIGNER = 'kubernetes.io/kubelet-serving'
export const NODES_GROUP = 'system:nodes'
export const nodeUser = (nodeName: string): string => `system:node:${nodeName}`

/**
 * Exactly these, or the approver leaves the request pending for ever. `key encipherment` goes with an RSA key; servers
 * before 1.27 want it with any (kubernetes/kubernetes#109077; 1.20 was seen to leave a request without it alone).
 */
export const usagesFor = (purpose: string, withKeyEncipherment: boolean): readonly string[] =>
  withKeyEncipherment ? ['key encipherment', 'digital signature', purpose] : ['digital signature', purpose]

export interface DesiredRequest {
  name: string
  /** PEM, CERTIFICATE REQUEST. */
  request: string
  signerName: string
  usages: readonly string[]
  /** 600 at least; the signer's own maximum where undefined. Servers before 1.22 drop it. */
  expirationSeconds: number | undefined
}

export type Outcome =
  | { kind: 'pending' }
  /** Approved, and the signer has not run yet. */
  | { kind: 'approved' }
  /** `certificate` is the PEM as it stands there, checked by nobody yet. */
  | { kind: 'issued'; certificate: string }
  | { kind: 'denied' | 'failed'; reason: string; message: string }

export interface ObservedRequest {
  name: string
  uid: string
  resourceVersion: string
  createdAtMs: number
  /** The user who created it, as the API server knows them; empty where it does not say. */
  username: string
  /** Undefined until there is one. */
  approval: Approval | undefined
  outcome: Outcome
}

/** How a request came to be approved. */
export interface Approval {
  /** `AutoApproved` by Kubernetes' own controller, `KubectlApprove` by kubectl; others as they like. */
  reason: string
  /** From the creation of the request, by the API server's clock, in whole seconds; NaN where it does not say. */
  afterMs: number
}

/** How a machine was let in that was no node before. A node's own request, which renews, is approved by rule everywhere. */
export const firstApproval = (request: ObservedRequest | undefined): Approval | undefined =>
  request?.username.startsWith(nodeUser('')) === true ? undefined : request?.approval

/** The object to create. */
export const requestObject = (desired: DesiredRequest): unknown => ({
  apiVersion: API_VERSION,
  kind: KIND,
  metadata: { name: desired.name },
  spec: {
    request: Buffer.from(desired.request).toString('base64'),
    signerName: desired.signerName,
    usages: desired.usages,
    ...(desired.expirationSeconds === undefined ? {} : { expirationSeconds: desired.expirationSeconds }),
  },
})

/** Undefined where `value` is no CertificateSigningRequest of certificates.k8s.io/v1. */
export function parseRequestObject(value: unknown): ObservedRequest | undefined {
  const name = textAt(value, 'metadata', 'name')
  const uid = textAt(value, 'metadata', 'uid')
  const resourceVersion = textAt(value, 'metadata', 'resourceVersion')
  if (textAt(value, 'apiVersion') !== API_VERSION || textAt(value, 'kind') !== KIND) return undefined
  if (name === undefined || uid === undefined || resourceVersion === undefined) return undefined
  const createdAtMs = Date.parse(textAt(value, 'metadata', 'creationTimestamp') ?? '')
  return {
    name,
    uid,
    resourceVersion,
    createdAtMs: Number.isNaN(createdAtMs) ? 0 : createdAtMs,
    username: textAt(value, 'spec', 'username') ?? '',
    approval: approvalOf(value, createdAtMs),
    outcome: classify(value),
  }
}

const conditionOf = (value: unknown, type: string): unknown =>
  listAt(value, 'status', 'conditions').find(
    (item) => textAt(item, 'type') === type && (textAt(item, 'status') ?? 'True') === 'True',
  )

function approvalOf(value: unknown, createdAtMs: number): Approval | undefined {
  const condition = conditionOf(value, 'Approved')
  if (condition === undefined) return undefined
  const approvedAt = textAt(condition, 'lastUpdateTime') ?? textAt(condition, 'lastTransitionTime') ?? ''
  return { reason: printable(textAt(condition, 'reason') ?? '', 80), afterMs: Date.parse(approvedAt) - createdAtMs }
}

/**
 * Denied and Failed win over everything, as for Kubernetes' own controllers; a certificate without approval is not
 * looked at. The API allows Approved and Denied never together, and conditions only to be added.
 */
function classify(value: unknown): Outcome {
  for (const [type, kind] of [
    ['Denied', 'denied'],
    ['Failed', 'failed'],
  ] as const) {
    const found = conditionOf(value, type)
    if (found !== undefined)
      return {
        kind,
        reason: printable(textAt(found, 'reason') ?? '', 80),
        message: printable(textAt(found, 'message') ?? ''),
      }
  }
  if (conditionOf(value, 'Approved') === undefined) return { kind: 'pending' }
  const certificate = textAt(value, 'status', 'certificate')
  if (certificate === undefined || certificate === '') return { kind: 'approved' }
  return { kind: 'issued', certificate: Buffer.from(certificate, 'base64').toString('latin1') }
}

/** Whether an object of our name that was there already asks for exactly what we would ask for, with our key. */
export function isSameRequest(value: unknown, desired: DesiredRequest): boolean {
  const request = Buffer.from(textAt(value, 'spec', 'request') ?? '', 'base64').toString('latin1')
  const usages = listAt(value, 'spec', 'usages')
  return (
    request.trim() === desired.request.trim() &&
    textAt(value, 'spec', 'signerName') === desired.signerName &&
    usages.length === desired.usages.length &&
    desired.usages.every((usage) => usages.includes(usage))
  )
}

export type WatchEvent =
  | { kind: 'changed'; object: unknown }
  | { kind: 'deleted'; object: unknown }
  | { kind: 'bookmark'; resourceVersion: string | undefined }
  /** The status code that the server ended the watch with; 410 means that the resourceVersion is too old. */
  | { kind: 'error'; code: number; message: string }

/** One line of a watch; undefined for what is no watch event. */
export function parseWatchEvent(value: unknown): WatchEvent | undefined {
  const object = fieldAt(value, 'object')
  switch (textAt(value, 'type')) {
    case 'ADDED':
    case 'MODIFIED':
      return { kind: 'changed', object }
    case 'DELETED':
      return { kind: 'deleted', object }
    case 'BOOKMARK':
      return { kind: 'bookmark', resourceVersion: textAt(object, 'metadata', 'resourceVersion') }
    case 'ERROR':
      return { kind: 'error', code: numberAt(object, 'code') ?? 0, message: printable(textAt(object, 'message') ?? '') }
    default:
      return undefined
  }
}
