/**
 * Whether this machine was a node before, by what lies on it (docs/adr/0008). Whatever has become of its certificate: of that
 * it says nothing.
 */
import type { JoinConfiguration } from '../config/index.ts'
import type { Cluster } from '../kube/cluster.ts'
import { isOwnKubeconfig } from '../kube/kubelet-kubeconfig.ts'
import type { Files } from '../lib/ports.ts'
import { readText } from '../lib/text-file.ts'
import { readCurrentPair } from '../store/certificate-pair.ts'
import { CLIENT, pairPlace } from './certificate-kind.ts'
import type { SeenIdentity } from './observed.ts'
import { mismatchOf } from './pair-mismatch.ts'

/** A node of whatever cluster: it has a pair, or the kubeconfig that comes after one. So it is for as long as they are there. */
export async function hasJoinedByFiles(
  files: Files,
  configuration: JoinConfiguration,
  identity: SeenIdentity,
): Promise<boolean> {
  return identity.kind !== 'absent' || (await hasOwnKubeconfig(files, configuration))
}

/** A node of this cluster, or one that the agent had made: that is for cluster.json to keep, and a foreign pair is not. */
export async function hasJoinedCluster(
  files: Files,
  configuration: JoinConfiguration,
  cluster: Cluster,
): Promise<boolean> {
  return (await hasPairOf(files, configuration, cluster)) || (await hasOwnKubeconfig(files, configuration))
}

/** What is in its place is this node's own, of this cluster, whatever the time. */
export async function hasPairOf(files: Files, configuration: JoinConfiguration, cluster: Cluster): Promise<boolean> {
  const stored = await readCurrentPair(files, pairPlace(configuration.files, CLIENT))
  return stored.kind === 'pair' && mismatchOf(stored.pair, configuration, CLIENT, cluster) === undefined
}

const hasOwnKubeconfig = async (files: Files, { files: { kubeconfig } }: JoinConfiguration): Promise<boolean> =>
  isOwnKubeconfig((await readText(files, kubeconfig)) ?? '')
