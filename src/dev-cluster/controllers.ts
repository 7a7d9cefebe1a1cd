/**
 * kube-controller-manager's part: approves by itself what a kubeadm cluster approves, and signs what is approved. Each
 * works a moment after the event that it answers, never within the request that caused it.
 */
import { type CertificateRequest, parseCertificateRequest } from './certificate-request.ts'
import type { CertificateAuthority } from './certificate-authority.ts'
import {
  type CertificateSigningRequest,
  hasCondition,
  requestPem,
  SIGNER,
  timestamp,
} from './certificate-signing-requests.ts'
import type { CsrStore } from './csr-store.ts'
import { isKubeletSigner, signCertificate, signerRefusal } from './signer.ts'

export interface ControllerOptions {
  store: CsrStore
  nowMs: () => number
  approval: 'automatic' | 'manual'
  signerEnabled: boolean
  ca: CertificateAuthority
  certificateDurationMs: number
}

/** Runs until the returned function is called. */
export function startControllers(options: ControllerOptions): () => void {
  return options.store.subscribe((event) => {
    if (event.type === 'DELETED') return
    setImmediate(() => {
      reconcile(event.object.metadata.name, options)
    })
  })
}

function reconcile(name: string, options: ControllerOptions): void {
  const csr = options.store.get(name)
  if (csr === undefined || csr.status.certificate !== undefined || hasCondition(csr, 'Denied')) return
  if (hasCondition(csr, 'Failed')) return
  const request = parseCertificateRequest(requestPem(csr))
  if (hasCondition(csr, 'Approved')) {
    if (options.signerEnabled && isKubeletSigner(csr.spec.signerName)) sign(csr, request, options)
    return
  }
  const message = options.approval === 'automatic' ? approvalMessage(csr, request) : undefined
  if (message !== undefined) addCondition(csr, { type: 'Approved', reason: 'AutoApproved', message }, options)
}

/** The csrapproving controller with kubeadm's two bindings: bootstrappers join, a node renews only itself. */
function approvalMessage(csr: CertificateSigningRequest, request: CertificateRequest): string | undefined {
  if (csr.spec.signerName !== SIGNER.kubeletClient) return undefined
  if (signerRefusal(request, csr.spec.signerName, csr.spec.usages) !== undefined) return undefined
  const isMaster = csr.spec.groups.includes('system:masters')
  if (csr.spec.username === request.commonName && (isMaster || csr.spec.groups.includes('system:nodes')))
    return 'Auto approving self kubelet client certificate after SubjectAccessReview.'
  if (isMaster || csr.spec.groups.includes('system:bootstrappers:kubeadm:default-node-token'))
    return 'Auto approving kubelet client certificate after SubjectAccessReview.'
  return undefined
}

function sign(csr: CertificateSigningRequest, request: CertificateRequest, options: ControllerOptions): void {
  const refusal = signerRefusal(request, csr.spec.signerName, csr.spec.usages)
  if (refusal !== undefined) {
    addCondition(csr, { type: 'Failed', reason: 'SignerValidationFailure', message: refusal }, options)
    return
  }
  const pem = signCertificate(request, csr.spec, {
    ca: options.ca,
    nowMs: options.nowMs(),
    certificateDurationMs: options.certificateDurationMs,
  })
  options.store.updateStatus(csr.metadata.name, {
    ...csr.status,
    certificate: Buffer.from(pem).toString('base64'),
  })
}

/** Adds a condition as an update of the approval or status subresource does, with the server's own times. */
export function addCondition(
  csr: CertificateSigningRequest,
  condition: { type: 'Approved' | 'Denied' | 'Failed'; reason: string; message: string },
  { store, nowMs }: Pick<ControllerOptions, 'store' | 'nowMs'>,
): CertificateSigningRequest | undefined {
  const now = timestamp(nowMs())
  const { type, reason, message } = condition
  const added = { type, status: 'True', reason, message, lastUpdateTime: now, lastTransitionTime: now }
  return store.updateStatus(csr.metadata.name, {
    ...csr.status,
    conditions: [...(csr.status.conditions ?? []), added],
  })
}
