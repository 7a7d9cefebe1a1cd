/** What join.yaml means once it is valid: every default filled in, every unit and form settled. Types only. */
import type { BootstrapToken } from '../lib/bootstrap-token.ts'
import type { Requirement } from '../lib/findings.ts'
import type { KeyAlgorithm } from '../lib/key-algorithm.ts'
import type { LogLevel } from '../lib/ports.ts'
import type { Endpoint } from './endpoint.ts'

export interface JoinConfiguration {
  /** `name` is trimmed, lower-cased, an RFC 1123 subdomain; where the file gives none, the host name. */
  node: { name: string }
  discovery: Discovery
  /** Without a token, the discovery token or the discovered kubeconfig's user authenticates the request. */
  bootstrap: { token?: TokenSource }
  certificate: CertificateConfiguration
  hooks: HooksConfiguration
  /** Whether a node whose certificate is lost joins again, and where. */
  recovery: { rejoin: 'same-cluster' | 'any' | 'never' }
  /** `config`: the kubelet's own configuration file, which is only read. */
  kubelet: { config: string }
  files: FilesConfiguration
  /** `textfile`: for node_exporter; without it no metrics are written. */
  metrics: { textfile?: string }
  log: { level: LogLevel; format: LogFormat }
  /** The trade-offs that are not accepted: see lib/findings.ts. */
  policy: { require: readonly Requirement[] }
}

export type Discovery = TokenDiscovery | FileDiscovery | HttpsDiscovery

export interface TokenDiscovery {
  kind: 'token'
  /** At least one, none twice, in the order in which they are asked. */
  endpoints: readonly Endpoint[]
  token: TokenSource
  /** SHA-256 of SubjectPublicKeyInfo, 64 lower-case hex digits each, without the `sha256:`. Enforced whenever given. */
  caCertHashes: readonly string[]
  /** true: neither a pin nor `caFile` is needed. It never loosens one that is there. */
  unsafeSkipCAVerification: boolean
  caFile?: string
  /** Of one attempt. */
  timeoutMs: number
}

export interface FileDiscovery {
  kind: 'file'
  /** Of a kubeconfig. */
  path: string
  /** The cluster's CA, out of band: the kubeconfig's own must be in it, and may be missing. */
  caFile?: string
  timeoutMs: number
}

export interface HttpsDiscovery {
  kind: 'https'
  /** https, without user and password. Its query may hold a secret: log only its origin and path. */
  url: URL
  /** Of the https server; without it and without pins, the system's roots vouch for that server. */
  caFile?: string
  /** Of the https server, as for token discovery. */
  caCertHashes: readonly string[]
  /** The cluster's CA, out of band: the kubeconfig's own must be in it, and may be missing. */
  clusterCAFile?: string
  timeoutMs: number
}

/** Where a token is: in join.yaml itself, in a file, or among the credentials that systemd loaded for the unit. */
export type TokenSource =
  { kind: 'inline'; token: BootstrapToken } | { kind: 'file'; path: string } | { kind: 'credential'; name: string }

export type LogFormat = 'auto' | 'text' | 'json'

export interface CertificateConfiguration {
  keyAlgorithm: KeyAlgorithm
  /** The lifetime asked for; without it, the signer's own. */
  durationMs?: number
  rotation: {
    owner: 'agent' | 'kubelet'
    /** Fractions of the lifetime between which a certificate is renewed: 0 < from < to < 1. */
    window: readonly [from: number, to: number]
  }
  /** Where there is none, the kubelet's server has no certificate of the cluster. */
  serving?: ServingConfiguration
}

/** What is not given is found on the machine. */
export interface ServingConfiguration {
  /** Lower-case DNS names. */
  names?: readonly string[]
  addresses?: readonly string[]
}

/** What is run after the first certificate, and after each further one, in this order. */
export interface HooksConfiguration {
  afterJoin: readonly Hook[]
  afterRenew: readonly Hook[]
}

export type Hook =
  /** `command` is a program by its absolute path, and its arguments. */
  | { kind: 'command'; command: readonly string[]; timeoutMs: number }
  /** systemctl reload-or-restart. */
  | { kind: 'units'; units: readonly string[]; timeoutMs: number }

/** Absolute, normalised, all different. */
export interface FilesConfiguration {
  kubeconfig: string
  /** A directory. */
  certificates: string
  ca: string
  /** A directory. */
  state: string
  /** A directory. */
  runtime: string
}
