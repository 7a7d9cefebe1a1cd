/** What a behaviour test may ask of a control plane, whichever one it is. No behaviour here. */
import type { CertificateSigningRequest } from 'kubernetes-types/certificates/v1.js'

/** What a control plane may lack: a kube-apiserver without a kube-controller-manager has none of these. */
export type ControlPlaneFeature = 'bootstrap-signer' | 'token-cleaner' | 'automatic-approval' | 'certificate-signer'

export interface ControlPlaneOptions {
  /** Who approves a bootstrapping or rotating node's request: RBAC's own approver, or nobody until `approve`. Default: automatic. */
  approval?: 'automatic' | 'manual'
  /** How long a certificate lasts that the signer issues. Default: a year. */
  certificateDurationMs?: number
  /** false: cluster-info answers 401 to whoever brings no credentials. Default: true. */
  anonymousAuth?: boolean
  /** Handed to kube-apiserver after all others, so the last word on each. The embedded control plane has no flags and ignores them. */
  extraApiServerFlags?: readonly string[]
}

export interface TokenOptions {
  /** Default: an hour. */
  ttlMs?: number
  /** May sign cluster-info. Default: true. */
  signing?: boolean
  /** May authenticate. Default: true. */
  authentication?: boolean
}

export interface IssuedPair {
  /** PEM. */
  certificate: string
  /** PEM. */
  key: string
}

export interface AdminResponse {
  status: number
  /** Parsed JSON; text where the server answered something else. */
  body: unknown
}

export interface ControlPlane {
  readonly kind: 'real' | 'embedded'
  /** Without a leading v: `1.20.2`. */
  readonly version: string
  /** What a suite must skip here, and why it is missing is in the title of the suite. */
  readonly lacks: readonly ControlPlaneFeature[]
  /** `127.0.0.1:PORT`, the same for as long as it lives. */
  readonly endpoint: string
  readonly caPem: string
  /** `sha256:` and hexadecimal digits, over the raw SubjectPublicKeyInfo. */
  readonly caCertHash: string
  /** Of the CA that is to follow: it signs what `serveUnder('next')` serves with, and nothing else. */
  readonly nextCaPem: string

  /** A new random token, `id.secret`. Resolves when cluster-info carries its valid signature and the API server accepts it. */
  createToken(options?: TokenOptions): Promise<string>
  /** Resolves when the signature is gone and the API server refuses the token: a real one remembers a used token for up to 10 s. */
  deleteToken(id: string): Promise<void>

  listCertificateSigningRequests(): Promise<CertificateSigningRequest[]>
  approve(name: string): Promise<void>
  deny(name: string, reason: string, message: string): Promise<void>
  deleteCertificateSigningRequest(name: string): Promise<void>

  /** Replaces cluster-info's data, and resolves once it is stored: the signatures follow by themselves a moment later. */
  updateClusterInfo(change: (data: Record<string, string>) => Record<string, string>): Promise<void>
  /** What a load balancer of this cluster would present, for a subjectAltName in OpenSSL's words: `IP:127.0.0.1,DNS:localhost`. */
  issueServingCertificate(subjectAltName: string): Promise<IssuedPair>
  /** What an administrator would hand to a machine so that it may ask for its own certificate: a user of these groups. */
  issueClientCertificate(commonName: string, organizations: readonly string[]): Promise<IssuedPair>

  /** The API server restarts with a serving certificate of that CA. */
  serveUnder(authority: 'first' | 'next'): Promise<void>
  /** The API server is killed and comes back on the same port with its state. */
  restart(): Promise<void>
  /** By no orderly end: connections and watches break off. Resolves when its port refuses connections. */
  stopApiServer(): Promise<void>
  /** Resolves when it is ready again. */
  startApiServer(): Promise<void>

  /** One request as system:masters. Every status resolves. */
  admin(method: string, path: string, body?: unknown): Promise<AdminResponse>
  /** Ends it, and removes what it left behind. A second call does nothing. */
  stop(): Promise<void>
}
