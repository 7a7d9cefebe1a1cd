/** By which names and addresses the kubelet's server is reached: as join.yaml lists them, or as they are found on the machine. */
import type { JoinConfiguration } from '../config/index.ts'
import type { Cluster } from '../kube/cluster.ts'
import { bareHost } from '../lib/host.ts'
import type { Network } from '../lib/ports.ts'
import { subjectNames, type SubjectNames } from '../pki/subject-names.ts'

/** Undefined where join.yaml asks for no serving certificate. */
export async function servingNames(
  network: Network,
  { node, certificate }: JoinConfiguration,
  cluster: Cluster | undefined,
): Promise<SubjectNames | undefined> {
  const { serving } = certificate
  if (serving === undefined) return undefined
  const peer = cluster === undefined ? '' : bareHost(cluster.server)
  return subjectNames(serving.names ?? [node.name], serving.addresses ?? (await network.ownAddresses(peer)))
}
