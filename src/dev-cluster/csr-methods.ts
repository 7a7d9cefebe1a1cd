/** What a test does to certificate signing requests from outside the API: an administrator's and a faulty signer's part. */
import type { CertificateSigningRequest } from './certificate-signing-requests.ts'
import { addCondition } from './controllers.ts'
import { createRequest, getRequest } from './csr-api.ts'
import type { CsrStore } from './csr-store.ts'

export interface Verdict {
  reason?: string
  message?: string
}

export interface RequestMethods {
  listCertificateSigningRequests(): CertificateSigningRequest[]
  /** Throws an ApiStatusError where there is none of that name; so do the next four. */
  getCertificateSigningRequest(name: string): CertificateSigningRequest
  approve(name: string, verdict?: Verdict): CertificateSigningRequest
  deny(name: string, verdict?: Verdict): CertificateSigningRequest
  /** What a signer with problems of its own reports. */
  fail(name: string, verdict?: Verdict): CertificateSigningRequest
  deleteCertificateSigningRequest(name: string): void
  /** Puts any certificate PEM into the status, as a faulty signer would. */
  setCertificate(name: string, certificatePem: string): CertificateSigningRequest
  /** Creates one as the admin; throws an ApiStatusError as the API answers. */
  createCertificateSigningRequest(object: unknown): CertificateSigningRequest
}

/** Bound to one store. */
export function requestMethods(store: CsrStore, nowMs: () => number): RequestMethods {
  const api = { store, nowMs }
  const judge =
    (type: 'Approved' | 'Denied' | 'Failed', reason: string, message: string) =>
    (name: string, verdict: Verdict = {}): CertificateSigningRequest => {
      const condition = { type, reason: verdict.reason ?? reason, message: verdict.message ?? message }
      return addCondition(getRequest(name, api), condition, api) ?? getRequest(name, api)
    }
  const admin = { name: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] }
  return {
    listCertificateSigningRequests: () => store.list(),
    getCertificateSigningRequest: (name) => getRequest(name, api),
    approve: judge('Approved', 'KubectlApprove', 'This CSR was approved by kubectl certificate approve.'),
    deny: judge('Denied', 'KubectlDeny', 'This CSR was denied by kubectl certificate deny.'),
    fail: judge('Failed', 'SignerValidationFailure', 'the signer refused'),
    deleteCertificateSigningRequest: (name) => {
      getRequest(name, api)
      store.delete(name)
    },
    setCertificate: (name, certificatePem) => {
      const { status } = getRequest(name, api)
      const certificate = Buffer.from(certificatePem).toString('base64')
      return store.updateStatus(name, { ...status, certificate }) ?? getRequest(name, api)
    },
    createCertificateSigningRequest: (object) => createRequest(object, admin, api),
  }
}
