/** CertificateSigningRequest as the API stores it, and the names of everything about it that Kubernetes fixes. */
import type {
  CertificateSigningRequest as ApiObject,
  CertificateSigningRequestCondition,
  CertificateSigningRequestSpec,
  CertificateSigningRequestStatus,
} from 'kubernetes-types/certificates/v1.d.ts'
import type { ObjectMeta } from 'kubernetes-types/meta/v1.d.ts'

/** A stored object: what the API server always fills is there. */
export interface CertificateSigningRequest extends ApiObject {
  kind: 'CertificateSigningRequest'
  apiVersion: 'certificates.k8s.io/v1'
  metadata: ObjectMeta & { name: string; uid: string; resourceVersion: string; creationTimestamp: string }
  spec: CertificateSigningRequestSpec & { usages: string[]; username: string; groups: string[] }
  status: CertificateSigningRequestStatus
}
export type Condition = CertificateSigningRequestCondition

export const GROUP = 'certificates.k8s.io'
export const RESOURCE = 'certificatesigningrequests'
export const KIND = 'CertificateSigningRequest'

export const SIGNER = {
  kubeletClient: 'kubernetes.io/kube-apiserver-client-kubelet',
  kubeletServing: 'kubernetes.io/kubelet-serving',
} as const

export const resourceName = (name?: string): { group: string; resource: string; name: string | undefined } => ({
  group: GROUP,
  resource: RESOURCE,
  name,
})

export const hasCondition = (csr: CertificateSigningRequest, type: string): boolean =>
  (csr.status.conditions ?? []).some((condition) => condition.type === type)

/** metav1.Time: whole seconds. */
export const timestamp = (atMs: number): string => new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z')

/** PEM bytes of `spec.request`. */
export const requestPem = (csr: CertificateSigningRequest): Uint8Array => Buffer.from(csr.spec.request, 'base64')
