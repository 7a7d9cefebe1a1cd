/** By which names and addresses the kubelet's server is reached: as join.yaml lists them, or as they are found on the machine. */
import type { JoinConfiguration } from '../config/index.ts'
import type { Cluster } from '../kube/cluster.ts'
import { bareHost } from '../lib/host.ts'
import type { Network } from '../lib/ports.ts'
import { coversNames, subjectNames, type SubjectNames } from '../pki/subject-names.ts'

/** What a serving certificate must be good for. */
export interface ServingNames extends SubjectNames {
  /** join.yaml says which addresses, and no others; else they are those that were found. */
  hasListedAddresses: boolean
}

/**
 * Whether a certificate or a request for `has` is still what is wanted. A found address that has gone may be back in a
 * moment, and leaves with the next renewal (as for the kubelet); what join.yaml no longer says is to be gone at once.
 */
export function suitsNames(has: SubjectNames, wanted: ServingNames): boolean {
  const ipAddresses = wanted.hasListedAddresses ? wanted.ipAddresses : has.ipAddresses
  return coversNames(has, wanted) && coversNames({ dnsNames: wanted.dnsNames, ipAddresses }, has)
}

/** Undefined where join.yaml asks for no serving certificate. */
export async function servingNames(
  network: Network,
  { node, certificate }: JoinConfiguration,
  cluster: Cluster | undefined,
): Promise<ServingNames | undefined> {
  const { serving } = certificate
  if (serving === undefined) return undefined
  const peer = cluster === undefined ? '' : bareHost(cluster.server)
  const addresses = serving.addresses ?? (await network.ownAddresses(peer))
  return {
    ...subjectNames(serving.names ?? [node.name], addresses),
    hasListedAddresses: serving.addresses !== undefined,
  }
}
