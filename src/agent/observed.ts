/** What the agent sees before it decides: the disk, and the one request. Facts only; time is not part of them. */
import type { UnprotectedFile } from '../findings/trade-offs.ts'
import type { Finding } from '../lib/findings.ts'
import type { ObservedRequest } from '../kube/certificate-signing-request.ts'
import type { BootstrapError } from '../lib/errors.ts'
import type { SubjectNames } from '../pki/subject-names.ts'
import type { DueHooks } from './hooks.ts'
import type { CertificatePair } from '../store/certificate-pair.ts'
import type { Oddity } from './oddities.ts'
import type { ClusterRecord } from '../store/cluster-record.ts'
import type { PendingRequest, Refusal } from '../store/pending-request.ts'

export type SeenTrust =
  | { kind: 'unknown' }
  /** Verified, but by another discovery configuration than today's, or no longer what its server shows. */
  | { kind: 'outdated'; record: ClusterRecord }
  | { kind: 'verified'; record: ClusterRecord }

export type SeenIdentity =
  | { kind: 'absent' }
  /** Not loadable, or not this node's in this cluster, and no older pair is either. */
  | { kind: 'unusable' }
  /** This node's own in this cluster, whatever the time. */
  | {
      kind: 'ours'
      pair: CertificatePair
      rotateAtMs: number
      /** When whoever renews it should have done so. */
      overdueAtMs: number
      /** It is not, or not as it should be, what the link leads to. */
      misplaced: boolean
      /** The link leads elsewhere: who loads what it leads to, as the kubelet does, does not get this pair. */
      isBehindLink: boolean
      /** The API server has refused it twice, a pause apart: it is as good as lost, until it is accepted again. */
      isRefused: boolean
    }

/** Whether the API server takes the certificate in force for this node, as far as this process has asked. */
export type SeenAuthentication =
  | { kind: 'unasked' }
  | { kind: 'accepted'; atMs: number }
  /** `error` is an `identity-not-accepted`. `isConfirmed`: it was refused again after a pause. */
  | { kind: 'refused'; sinceMs: number; error: BootstrapError; isConfirmed: boolean }

/** What became of the CA bundle that was read last from where it was once discovered. */
export type SeenBundle =
  /** It is the one in force. */
  | { kind: 'current'; atMs: number }
  /** It could not be read, for a reason that says nothing against the one in force. */
  | { kind: 'untold'; atMs: number; why: string }
  /** `error` is a `ca-bundle-held-back`. The hashes are of the bundle's CAs, as far as they could be read. */
  | { kind: 'held-back'; sinceMs: number; caCertHashes: readonly string[]; error: BootstrapError }

/** What is done beside the way to a certificate has failed: it is tried again then, and holds nothing up until then. */
export interface FailedErrand {
  error: BootstrapError
  /** In a row. */
  count: number
  nextAttemptMs: number
}

/** What sets a request under way apart from what is wanted today. */
export interface Outdated {
  /** Its certificate would be another node's, or not for the names that are wanted: it is never installed. */
  isUseless: boolean
  /** What it asks for and what is wanted, for people. */
  why: string
}

/** What was seen of one kind of certificate, and of the way to the next one. */
export interface SeenCertificate {
  identity: SeenIdentity
  /** The API server has never accepted it as the node's identity: the request that it answers is kept until it has. */
  isUntried: boolean
  /** The hooks that are still to be run for the certificate in force. */
  hooks: DueHooks | undefined
  /** Of those hooks. */
  failedHooks: FailedErrand | undefined
  /** The key and request that are under way. */
  pending: PendingRequest | undefined
  /** Undefined where they are just what is wanted. */
  outdated: Outdated | undefined
  /** The cluster's view of the pending request, as last heard. */
  request: ObservedRequest | undefined
  /** What became of an earlier request, unless the configuration has changed or the operator asked to try again. */
  refusal: Refusal | undefined
  /** The same, whether it still stands or not: no certificate has come since. */
  lastRefusal: Refusal | undefined
  /** When keys were made that count against the budget, for today's configuration and since the operator last asked. */
  keysMadeAtMs: readonly number[]
  /** Keys that count although nobody knows of them: see rejoin.ts. */
  keysAssumedAtMs: readonly number[]
  /** Paths of files of the agent's own that hold a key or a credential, and that others may read: they are written again. */
  exposed: readonly string[]
  /** Those of them where that had no effect. */
  unprotected: readonly UnprotectedFile[]
  /** Of writing them again. */
  failedProtection: FailedErrand | undefined
  /** Of putting a pair that is misplaced back, while its renewal is due. */
  failedRestore: FailedErrand | undefined
  /** Paths of files that are of no use any more, as a crash leaves them. */
  leftOver: readonly string[]
  /** Everything odd about it on the disk, by name. */
  oddities: readonly Oddity[]
}

export interface SeenServing extends SeenCertificate {
  /** What the certificate is to be good for. */
  names: SubjectNames
}

/** Its own fields are those of the client certificate, which is the node's identity. */
export interface Observed extends SeenCertificate {
  /** Undefined where join.yaml asks for none. */
  serving: SeenServing | undefined
  trust: SeenTrust
  /** See Memory. */
  rediscoveryFailed: boolean
  /** Whether ca.crt and the kubeconfig say what they should. */
  published: boolean
  /** What kept one of them from being read. */
  publicationFault: BootstrapError | undefined
  /** Of writing them, while a renewal is due. */
  failedPublish: FailedErrand | undefined
  authentication: SeenAuthentication
  bundle: SeenBundle | undefined
  /** See Memory. */
  nextRecheckMs: number | undefined
  failedRecheck: FailedErrand | undefined
  /** What the trust rests on, as far as it is known. */
  findings: readonly Finding[]
  /** Those of the findings that policy.require forbids. */
  violations: readonly Finding[]
  /** cluster.json says it; or there is a pair, whatever has become of it, or the kubeconfig that comes after one. */
  hasJoined: boolean
  /** Whether a request may be made with the bootstrap credential: recovery.rejoin forbids it to a node that had joined. */
  mayJoin: boolean
}

/** What is known of one kind of certificate beside the disk. */
export interface CertificateMemory {
  /** What the cluster last said of the request. */
  request: ObservedRequest | undefined
  /**
   * Since then, by the monotonic clock, nobody has sent the request under way: not this process, nor the one before it. One that
   * nobody has answered may still be created. -Infinity: nothing is on its way.
   */
  unsentSinceMs: number
  /** The operator asked to try a refused request again. */
  retryRefused: boolean
  /** Of the certificate that this process installed last: one that differs from it was installed by another program. */
  installedFingerprint: string | undefined
  /** Of the hooks for the certificate with that fingerprint. */
  failedHooks: (FailedErrand & { certificate: string }) | undefined
  /** The hooks that were run in this round for the certificate with that fingerprint, by digest, with what went wrong. */
  hookRound: { certificate: string; ended: Map<string, BootstrapError | undefined> } | undefined
  /** Paths of files that others may read after they were written for their owner alone. */
  unprotected: Set<string>
  failedProtection: FailedErrand | undefined
  failedRestore: FailedErrand | undefined
}

/** What is known beside the disk. Its own fields are those of the client certificate. */
export interface Memory extends CertificateMemory {
  failedPublish: FailedErrand | undefined
  serving: CertificateMemory
  /** The verified cluster's server no longer holds a certificate of its CA: it is to be discovered again. */
  doubtsCluster: boolean
  /** The last discovery, of a cluster that another one had found before, did not succeed. */
  rediscoveryFailed: boolean
  /** The bootstrap token with which this process has filed a request, and when it last did. */
  filedWith: { tokenId: string; atMs: number } | undefined
  /** The bootstrap token that the cluster accepted after the join, and when it last did. */
  acceptedToken: { id: string; atMs: number } | undefined
  /** When, by the wall clock, the cluster is asked whether it still accepts the token; Infinity: never. */
  nextTokenQuestionMs: number
  /** Of the certificate with that fingerprint. */
  authentication: ({ fingerprint: string } & Exclude<SeenAuthentication, { kind: 'unasked' }>) | undefined
  bundle: SeenBundle | undefined
  /** When, by the wall clock, the cluster is asked again whether all is as it was; undefined: once is enough, as in `run --once`. */
  nextRecheckMs: number | undefined
  failedRecheck: FailedErrand | undefined
}
