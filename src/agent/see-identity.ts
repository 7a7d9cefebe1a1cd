/**
 * Which pair on the disk is this node's own, and until when it is good for: the one in force, or the one that is to take its
 * place. It changes nothing.
 */
import type { JoinConfiguration } from '../config/index.ts'
import type { Cluster } from '../kube/cluster.ts'
import type { Files } from '../lib/ports.ts'
import { readCurrentPair, type CertificatePair, type DatedPairs } from '../store/certificate-pair.ts'
import { pairPlace, type CertificateKind } from './certificate-kind.ts'
import type { SeenIdentity } from './observed.ts'
import type { Oddity } from './oddities.ts'
import { mismatchOf } from './pair-mismatch.ts'
import { overdueDeadline, rotationDeadline } from './rotation.ts'
import { suitsNames, type ServingNames } from './serving-names.ts'

/** The kubelet draws its deadline from 0.7 to 0.9 of the lifetime; a little later it has had its time. */
const KUBELET_RENEWS_BY = 0.92

export interface IdentityLook {
  files: Files
  configuration: JoinConfiguration
  kind: CertificateKind
  cluster: Cluster | undefined
  /** What a server's certificate must be good for; undefined for a client's. */
  names: ServingNames | undefined
  /** Of the certificate that the API server has refused for good. */
  refusedFingerprint: string | undefined
}

/** Throws `storage-*` where what stands in the link's place cannot be read, or nothing good is there but what cannot. */
export async function seeIdentity(
  look: IdentityLook,
  { pairs, unread }: DatedPairs,
  askedRenewal: string | undefined,
): Promise<{ identity: SeenIdentity; oddity?: Oddity }> {
  const { files, configuration, kind, cluster } = look
  const place = pairPlace(configuration.files, kind)
  const stored = await readCurrentPair(files, place)
  if (stored.kind === 'absent') return { identity: { kind: 'absent' } }
  // Whose the pair is cannot be told before the cluster is verified.
  if (cluster === undefined) return { identity: { kind: 'unusable' } }
  const oddity = stored.kind === 'broken' ? stored.fault : mismatchOf(stored.pair, configuration, kind, cluster)
  const current = stored.kind === 'pair' && oddity === undefined ? stored : undefined
  const isKubelets = configuration.certificate.rotation.owner === 'kubelet'
  if (current !== undefined && !isKubelets) {
    const { pair, misplacement } = current
    const identity = oursFrom(pair, look, { misplaced: misplacement !== undefined, isBehindLink: false, askedRenewal })
    return misplacement === undefined ? { identity } : { identity, oddity: misplacement }
  }
  const dated = pairs.filter((pair) => mismatchOf(pair, configuration, kind, cluster) === undefined)
  const newest = isKubelets ? newestOfKubelet(current?.pair, dated) : longestValid(dated)
  // It may be the one to restore: nobody joins again because a disk stumbles.
  if (newest === undefined && unread !== undefined) throw unread
  if (newest === undefined) return { identity: { kind: 'unusable' }, ...(oddity && { oddity }) }
  const identity = oursFrom(newest, look, { misplaced: !isKubelets, isBehindLink: current === undefined, askedRenewal })
  if (newest === current?.pair) return { identity }
  // The kubelet leaves a gap between its new pair and the move of the link: that is never a reason to move it for it.
  const seen = isKubelets ? 'link-behind-kubelet' : oddity
  return seen === undefined ? { identity } : { identity, oddity: seen }
}

const longestValid = (pairs: readonly CertificatePair[]): CertificatePair | undefined =>
  pairs.toSorted((one, other) => other.certificate.notAfterMs - one.certificate.notAfterMs)[0]

/** The current pair, unless the kubelet has one that was issued later and has not moved the link to it yet. */
function newestOfKubelet(
  current: CertificatePair | undefined,
  dated: readonly CertificatePair[],
): CertificatePair | undefined {
  if (current === undefined) return longestValid(dated)
  const { notBeforeMs } = current.certificate
  return longestValid([current, ...dated.filter((pair) => pair.certificate.notBeforeMs > notBeforeMs)])
}

function oursFrom(
  pair: CertificatePair,
  { configuration, names, refusedFingerprint }: IdentityLook,
  { askedRenewal, ...place }: { misplaced: boolean; isBehindLink: boolean; askedRenewal: string | undefined },
): SeenIdentity {
  const { owner, window } = configuration.certificate.rotation
  const { fingerprint, notBeforeMs, notAfterMs } = pair.certificate
  const isRefused = fingerprint === refusedFingerprint
  // Where the kubelet renews, the agent takes part again only when the certificate has lapsed.
  if (owner === 'kubelet') {
    const overdueAtMs = notBeforeMs + KUBELET_RENEWS_BY * (notAfterMs - notBeforeMs)
    return { kind: 'ours', pair, ...place, isRefused, rotateAtMs: notAfterMs, overdueAtMs }
  }
  // What the operator wants renewed, or is for other names and addresses than it is to be for by now, has been due from its
  // first moment on, whatever the clock says.
  const isDue =
    askedRenewal === fingerprint || (names !== undefined && !suitsNames(pair.certificate.subjectNames, names))
  const deadlineMs = rotationDeadline(pair, window)
  const overdueAtMs = overdueDeadline(deadlineMs, notAfterMs)
  return { kind: 'ours', pair, ...place, isRefused, rotateAtMs: isDue ? notBeforeMs : deadlineMs, overdueAtMs }
}
