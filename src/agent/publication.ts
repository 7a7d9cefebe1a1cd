/** Whether what the kubelet reads of its cluster stands on the disk as it should. It changes nothing. */
import type { JoinConfiguration } from '../config/index.ts'
import { caFileText, type Cluster } from '../kube/cluster.ts'
import { asBootstrapError, type BootstrapError } from '../lib/errors.ts'
import type { Files } from '../lib/ports.ts'
import { readText } from '../lib/text-file.ts'
import { kubeconfigText } from './desired.ts'
import type { Oddity } from './oddities.ts'

export interface Publication {
  /** What is not as it should be of what the kubelet reads. One that is missing is on its way, and nothing odd. */
  differing: readonly { oddity: Oddity; isThere: boolean }[]
  /** What kept it from being read: no look fails by that, or a renewal that needs neither file would be held up. */
  fault: BootstrapError | undefined
}

export async function seePublication(
  files: Files,
  configuration: JoinConfiguration,
  cluster: Cluster,
): Promise<Publication> {
  try {
    return { differing: await unpublished(files, configuration, cluster), fault: undefined }
  } catch (thrown) {
    return { differing: [], fault: asBootstrapError(thrown) }
  }
}

async function unpublished(
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
