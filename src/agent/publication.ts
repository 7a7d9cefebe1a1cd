/** Whether what the kubelet reads of its cluster stands on the disk as it should. It changes nothing. */
import type { JoinConfiguration } from '../config/index.ts'
import { caFileText, type Cluster } from '../kube/cluster.ts'
import type { Files } from '../lib/ports.ts'
import { readText } from '../lib/text-file.ts'
import { kubeconfigText } from './desired.ts'
import type { Oddity } from './oddities.ts'

/** What is not as it should be of what the kubelet reads. One that is missing is on its way, and nothing odd. */
export async function unpublished(
  files: Files,
  configuration: JoinConfiguration,
  cluster: Cluster,
): Promise<{ oddity: Oddity; isThere: boolean }[]> {
  const ca = await readText(files, configuration.files.ca)
  const kubeconfig = await readText(files, configuration.files.kubeconfig)
  const found: { oddity: Oddity; isThere: boolean }[] = []
  if (ca !== caFileText(cluster)) found.push({ oddity: 'ca-bundle-differs', isThere: ca !== undefined })
  if (kubeconfig !== kubeconfigText(configuration, cluster))
    found.push({ oddity: 'kubeconfig-differs', isThere: kubeconfig !== undefined })
  return found
}
