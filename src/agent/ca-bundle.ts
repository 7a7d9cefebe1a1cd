/** Whether another CA bundle may take the place of the one in force: what it must not lose, and what bounds it. It writes nothing. */
import { requireKnownAuthorities } from '../discovery/authorities.ts'
import { proveServer } from '../discovery/kubeconfig-discovery.ts'
import { policyError, stopsJoining, violationsOf } from '../findings/policy.ts'
import { tradeOffs } from '../findings/trade-offs.ts'
import { rootsOf, type Cluster } from '../kube/cluster.ts'
import { requireAuthentication } from '../kube/own-node.ts'
import { asBootstrapError, BootstrapError } from '../lib/errors.ts'
import { chainsTo, type Certificate } from '../pki/certificate.ts'
import { apiServer, type ActionContext } from './context.ts'
import { readAuthorities } from './credentials.ts'
import { isLost, standingOf } from './decide.ts'
import { requireSameCluster } from './same-cluster.ts'

/** Each CA once, in the order of `presented`; whatever is no CA can vouch for nothing, and is left out. */
export function distinctAuthorities(presented: readonly Certificate[]): Certificate[] {
  const byFingerprint = new Map(presented.map((authority) => [authority.fingerprint, authority]))
  return [...byFingerprint.values()].filter(({ x509 }) => x509.ca)
}

/** Whatever the order, and however often each stands there. */
export function areSameAuthorities(one: readonly Certificate[], other: readonly Certificate[]): boolean {
  const isWithin = (inner: readonly Certificate[], outer: readonly Certificate[]): boolean =>
    inner.every(({ fingerprint }) => outer.some((authority) => authority.fingerprint === fingerprint))
  return isWithin(one, other) && isWithin(other, one)
}

/**
 * Throws where `candidate` holds no CA, what caFile or policy.require forbids, none of the CAs that this node knew, or not the
 * one that the certificate in force or the server is signed by. Asks its server once, over a connection that only
 * `candidate` can vouch for.
 */
export async function requireSuccessor(context: ActionContext, candidate: Cluster): Promise<void> {
  const { ports, configuration, seen, memory, signal } = context
  const { authorities, server } = candidate
  if (authorities.length === 0) throw new BootstrapError('ca-malformed', 'there is no CA certificate in it')
  const bound = await outOfBandAuthorities(context)
  if (bound !== undefined) requireKnownAuthorities(authorities, bound)
  const findings = tradeOffs({ configuration, exposures: [], cluster: candidate })
  const forbidden = violationsOf(findings, configuration.policy.require).filter(stopsJoining)
  if (forbidden.length > 0) throw policyError(forbidden)
  if (seen.identity.kind === 'ours' && memory.authentication?.kind === 'accepted') {
    const { certificate, intermediates } = seen.identity.pair
    if (!chainsTo(certificate, intermediates, authorities))
      throw new BootstrapError('ca-bundle-held-back', 'it drops the CA that the certificate of this node is signed by')
  }
  // One that is refused holds nothing back, and yet the node stays where it belongs.
  await requireSameCluster(context, candidate)
  await proveServer(ports.client, server, authorities, signal)
}

/** The bundle on this machine that says which CAs the cluster may have, where there is one. */
async function outOfBandAuthorities({
  ports,
  configuration: { discovery },
}: ActionContext): Promise<readonly Certificate[] | undefined> {
  const path = discovery.kind === 'https' ? discovery.clusterCAFile : discovery.caFile
  return path === undefined ? undefined : await readAuthorities(ports.files, path)
}

/**
 * For a cluster that is discovered anew: throws `ca-bundle-held-back` where it does not vouch for the certificate in force,
 * although its server accepts that one. Believed, it would make the node give up a certificate that is good.
 */
export async function requireCertificateKept(context: ActionContext, found: Cluster): Promise<void> {
  const { ports, configuration, seen, memory, signal } = context
  const { identity } = seen
  const mayMove = configuration.recovery.rejoin === 'any' || memory.doubtsCluster
  if (mayMove || identity.kind !== 'ours' || isLost(standingOf(identity, ports.clock.nowMs()))) return
  const { certificate, intermediates } = identity.pair
  if (chainsTo(certificate, intermediates, found.authorities)) return
  const { server } = found
  const { credential } = await apiServer(context, 'node')
  const api = { server, trust: { roots: rootsOf(found) }, credential }
  const refusal = await requireAuthentication(ports.client, api, configuration.node.name, signal).catch(
    asBootstrapError,
  )
  if (refusal instanceof BootstrapError && refusal.code === 'identity-not-accepted') return
  throw new BootstrapError(
    'ca-bundle-held-back',
    'the CA bundle that was discovered drops the CA that the certificate of this node is signed by',
    refusal === undefined ? {} : { cause: refusal },
  )
}
