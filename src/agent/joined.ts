/**
 * When a machine counts as a node that has joined: one rule for the status, the mark that starts the kubelet, the metrics and
 * `wait`. It says nothing of how well the node is. Pure.
 */
import { isValid, standingOf } from './decide.ts'
import type { Observed, SeenAuthentication } from './observed.ts'

/** A certificate that is valid, with CA and kubeconfig beside it, and was accepted once by the API server. */
export const isInPlace = (seen: Observed, nowMs: number): boolean =>
  isValid(standingOf(seen.identity, nowMs)) && arePublished(seen) && !seen.isUntried

/** Of files that cannot be read it is known only whether they were there once. */
const arePublished = ({ published, publicationFault, trust }: Observed): boolean =>
  published || (publicationFault !== undefined && trust.kind !== 'unknown' && trust.record.hasJoined)

/**
 * The same, the kubelet finds it, and it does not count as lost because the API server has refused it twice. Once is no more
 * than told: neither an API server that stumbles nor a restart, which forgets it, makes another of a node.
 */
export const isJoinedAt = (seen: Observed, nowMs: number): boolean =>
  isInPlace(seen, nowMs) && isLinked(seen) && !isLostBy(seen.authentication)

const isLostBy = (authentication: SeenAuthentication): boolean =>
  authentication.kind === 'refused' && authentication.isConfirmed

const isLinked = ({ identity }: Observed): boolean => identity.kind === 'ours' && !identity.isBehindLink

/** What of a published status lapses with the certificate. */
interface Lapsing {
  state: string
  joined?: boolean
  summary: string
  certificate?: { notAfter: string }
}

/** What was published, as it is at `nowMs`: an agent that is stopped or hangs cannot say that the certificate has lapsed since. */
export function asOf<Published extends Lapsing>(status: Published, nowMs: number): Published {
  const { joined, certificate, summary } = status
  if (joined !== true || certificate === undefined || nowMs < Date.parse(certificate.notAfter)) return status
  return { ...status, joined: false, state: 'waiting', summary: `the certificate has expired; before that: ${summary}` }
}
