/**
 * When a machine counts as a node that has joined: one rule for the status, the mark that starts the kubelet, the metrics and
 * `wait`. It says nothing of how well the node is. Pure.
 */
import { isValid, standingOf } from './decide.ts'
import type { Observed } from './observed.ts'

/** A certificate that is valid, with CA and kubeconfig beside it, and was accepted once by the API server. */
export const isInPlace = (seen: Observed, nowMs: number): boolean =>
  isValid(standingOf(seen.identity, nowMs)) && seen.published && !seen.isUntried

/**
 * The same, the kubelet finds it, and the API server has not refused it since: not even once, which is no reason to replace
 * it yet.
 */
export const isJoinedAt = (seen: Observed, nowMs: number): boolean =>
  isInPlace(seen, nowMs) && isLinked(seen) && seen.authentication.kind !== 'refused'

const isLinked = ({ identity }: Observed): boolean => identity.kind === 'ours' && !identity.isBehindLink

/** What of a published status lapses with the certificate. */
interface Lapsing {
  state: string
  joined: boolean
  summary: string
  certificate?: { notAfter: string }
}

/** What was published, as it is at `nowMs`: an agent that is stopped or hangs cannot say that the certificate has lapsed since. */
export function asOf<Published extends Lapsing>(status: Published, nowMs: number): Published {
  const { joined, certificate, summary } = status
  if (!joined || certificate === undefined || nowMs < Date.parse(certificate.notAfter)) return status
  return { ...status, joined: false, state: 'waiting', summary: `the certificate has expired; before that: ${summary}` }
}
