/** What every way of discovery ends in: a verified cluster, and what was verified on the way. What that trust does without is for `findings/`. */
import type { Cluster } from '../kube/cluster.ts'

export interface Evidence {
  method: 'token' | 'file' | 'https'
  /** Where the answer came from: host:port, a path or a URL. */
  source: string
  /** One sentence for each thing that was verified, in order. */
  verified: readonly string[]
  /** The public id of the bootstrap token whose signature was verified, where discovery went by one. */
  tokenId?: string
}

export interface Discovered {
  cluster: Cluster
  evidence: Evidence
}

/** A kubeconfig as an https server handed it out, kept so that the next look at it costs little. It may hold a credential. */
export interface KubeconfigDocument {
  /** Where it came from in the end, redirects followed. */
  url: string
  text: string
  etag: string | undefined
  lastModified: string | undefined
}
