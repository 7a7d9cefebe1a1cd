import type { BootstrapToken } from '../lib/bootstrap-token.ts'
import type { LogLevel } from '../lib/ports.ts'
import type { KeyAlgorithm } from '../pki/private-key.ts'

export interface Endpoint {
  host: string
  port: number
}
export type TokenSource =
  { kind: 'inline'; token: BootstrapToken } | { kind: 'file'; path: string } | { kind: 'credential'; name: string }
export interface TokenDiscovery {
  kind: 'token'
  endpoints: readonly Endpoint[]
  token: TokenSource
  caCertHashes: readonly string[]
  unsafeSkipCAVerification: boolean
  caFile?: string
  timeoutMs: number
}
export interface FileDiscovery {
  kind: 'file'
  path: string
  timeoutMs: number
}
export interface HttpsDiscovery {
  kind: 'https'
  url: URL
  caFile?: string
  caCertHashes: readonly string[]
  timeoutMs: number
}
export interface JoinConfiguration {
  node: { name: string }
  discovery: TokenDiscovery | FileDiscovery | HttpsDiscovery
  bootstrap: { token?: TokenSource }
  certificate: {
    keyAlgorithm: KeyAlgorithm
    durationMs?: number
    rotation: { owner: 'agent' | 'kubelet'; window: readonly [number, number] }
  }
  files: { kubeconfig: string; certificates: string; ca: string; state: string; runtime: string }
  log: { level: LogLevel; format: 'auto' | 'text' | 'json' }
}
