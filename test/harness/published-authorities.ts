/** What a dev cluster publishes of itself in cluster-info: another CA bundle, as while its CA is rotated. */
import { clusterInfoKubeconfig } from '../../src/dev-cluster/cluster-info.ts'
import type { DevCluster } from '../../src/dev-cluster/dev-cluster.ts'

/** `caBundle` is PEM; its order is kept. */
export function publishAuthorities(cluster: DevCluster, caBundle: string): void {
  const kubeconfig = clusterInfoKubeconfig(`https://${cluster.endpoint}`, caBundle)
  cluster.patchClusterInfo((data) => ({ ...data, kubeconfig }), { sign: true })
}
