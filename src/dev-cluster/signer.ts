/**
 * The signing controller of kube-controller-manager for the two kubelet signers (`ValidateKubeletClientCSR`,
 * `ValidateKubeletServingCSR`, `PermissiveSigningPolicy`). It never approves: that is the approver's or an admin's.
 */
import type { CertificateAuthority } from './certificate-authority.ts'
import type { CertificateRequest } from './certificate-request.ts'
import { SIGNER } from './certificate-signing-requests.ts'
import type { KeyUsage } from './x509-extensions.ts'

const MINUTE_MS = 60_000
/** NotBefore lies this far in the past, for clients whose clock is behind. */
const BACKDATE_MS = 5 * MINUTE_MS
/** Below this lifetime the end is not moved back with the beginning. */
const SHORT_MS = 8 * 60 * MINUTE_MS

const NODE_PREFIX = 'system:node:'

/** Usages that the signer demands, without key encipherment as for keys that cannot encipher, or with it. */
const requiredUsage: Readonly<Record<string, string>> = {
  [SIGNER.kubeletClient]: 'client auth',
  [SIGNER.kubeletServing]: 'server auth',
}

/** Whether there is a signer of this name here; without one a request stays approved and unissued for ever. */
export const isKubeletSigner = (signerName: string): boolean => signerName in requiredUsage

/** Why the signer refuses, in Kubernetes' words, or undefined. */
export function signerRefusal(
  request: CertificateRequest,
  signerName: string,
  usages: readonly string[],
): string | undefined {
  if (request.organizations.length !== 1 || request.organizations[0] !== 'system:nodes')
    return 'subject organization is not system:nodes'
  const isServing = signerName === SIGNER.kubeletServing
  if (isServing && request.dnsNames.length + request.ipAddresses.length === 0)
    return 'DNS or IP subjectAltName is required'
  if (!isServing && request.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed'
  if (request.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed'
  if (!isServing && request.ipAddresses.length > 0) return 'IP subjectAltNames are not allowed'
  if (request.uris.length > 0) return 'URI subjectAltNames are not allowed'
  // Kubernetes looks at the prefix alone and would sign `system:node:` itself, an identity of no node.
  if (!request.commonName.startsWith(NODE_PREFIX) || request.commonName === NODE_PREFIX)
    return 'subject common name does not begin with system:node:'
  return usagesRefusal(signerName, usages)
}

function usagesRefusal(signerName: string, usages: readonly string[]): string | undefined {
  const purpose = requiredUsage[signerName] ?? ''
  const full = ['digital signature', 'key encipherment', purpose].sort()
  const asked = new Set(usages)
  const hasOnlyKnown = [...asked].every((usage) => full.includes(usage))
  if (hasOnlyKnown && asked.has('digital signature') && asked.has(purpose)) return undefined
  return `usages did not match [${full.join(' ')}]`
}

export interface SigningPolicy {
  ca: CertificateAuthority
  nowMs: number
  /** The signer's own maximum, and what a request without expirationSeconds gets. */
  certificateDurationMs: number
}

/** The certificate, PEM: subject, SANs and usages of the request, and a lifetime that the policy bounds. */
export function signCertificate(
  request: CertificateRequest,
  asked: { usages: readonly string[]; expirationSeconds?: number },
  policy: SigningPolicy,
): string {
  const lifetimeMs = signedDurationMs(asked.expirationSeconds, policy.certificateDurationMs)
  const notAfterMs = policy.nowMs + (lifetimeMs < SHORT_MS ? lifetimeMs : lifetimeMs - BACKDATE_MS)
  return policy.ca.issue({
    subjectPublicKeyInfo: request.subjectPublicKeyInfo,
    commonName: request.commonName,
    organizations: request.organizations,
    dnsNames: request.dnsNames,
    ipAddresses: request.ipAddresses,
    notBeforeMs: policy.nowMs - BACKDATE_MS,
    notAfterMs: Math.min(notAfterMs, policy.ca.notAfterMs),
    keyUsages: keyUsages(asked.usages),
    extendedKeyUsages: [
      ...(asked.usages.includes('server auth') ? ['serverAuth'] : []),
      ...(asked.usages.includes('client auth') ? ['clientAuth'] : []),
    ],
  }).certificatePem
}

const keyUsages = (usages: readonly string[]): KeyUsage[] => [
  ...(usages.includes('digital signature') ? (['digitalSignature'] as const) : []),
  ...(usages.includes('key encipherment') ? (['keyEncipherment'] as const) : []),
]

/** expirationSeconds is honoured between ten minutes and the signer's maximum. */
function signedDurationMs(expirationSeconds: number | undefined, maximumMs: number): number {
  if (expirationSeconds === undefined) return maximumMs
  return Math.min(Math.max(expirationSeconds * 1000, 10 * MINUTE_MS), maximumMs)
}
