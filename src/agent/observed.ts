/** What the agent sees before it decides: the disk, and the one request. Facts only; time is not part of them. */
import type { Finding } from '../lib/findings.ts'
import type { ObservedRequest } from '../kube/certificate-signing-request.ts'
import type { DueHooks } from './hooks.ts'
import type { ClientPair } from '../store/client-identity.ts'
import type { ClusterRecord } from '../store/cluster-record.ts'
import type { PendingRequest, Refusal } from '../store/pending-request.ts'

export type SeenTrust =
  | { kind: 'unknown' }
  /** Verified, but by another discovery configuration than today's, or no longer what its server shows. */
  | { kind: 'outdated'; record: ClusterRecord }
  | { kind: 'verified'; record: ClusterRecord }

export type SeenIdentity =
  | { kind: 'absent' }
  /** Not loadable, or not this node's in this cluster; `problem` follows "the current certificate". */
  | { kind: 'unusable'; problem: string }
  /** This node's own in this cluster, whatever the time. */
  | { kind: 'ours'; pair: ClientPair; rotateAtMs: number }

export interface Observed {
  trust: SeenTrust
  /** See Memory. */
  rediscoveryFailed: boolean
  identity: SeenIdentity
  /** Whether ca.crt and the kubeconfig say what they should. */
  published: boolean
  /** The hooks that are still to be run for the certificate in force. */
  hooks: DueHooks | undefined
  /** The key and request that are under way, if they are still what today's configuration asks for. */
  pending: PendingRequest | undefined
  /** The cluster's view of the pending request, as last heard. */
  request: ObservedRequest | undefined
  /** What became of an earlier request, unless the configuration has changed or the operator asked to try again. */
  refusal: Refusal | undefined
  /** What the trust rests on, as far as it is known. */
  findings: readonly Finding[]
  /** Those of the findings that policy.require forbids. */
  violations: readonly Finding[]
}

/** What is known beside the disk. */
export interface Memory {
  /** What the cluster last said of the request. */
  request: ObservedRequest | undefined
  /** The operator asked to try a refused request again. */
  retryRefused: boolean
  /** The verified cluster's server no longer holds a certificate of its CA: it is to be discovered again. */
  doubtsCluster: boolean
  /** The last discovery, of a cluster that another one had found before, did not succeed. */
  rediscoveryFailed: boolean
  /** The bootstrap token that the cluster accepted after the join, and when it last did. */
  acceptedToken: { id: string; atMs: number } | undefined
  /** When, by the wall clock, the cluster is asked whether it still accepts the token; Infinity: never. */
  nextTokenQuestionMs: number
}
