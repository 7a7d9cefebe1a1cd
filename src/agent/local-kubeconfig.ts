/** The kubeconfig of discovery by file, as it stands now: read and parsed once for all that a look has to know of it. */
import type { JoinConfiguration } from '../config/index.ts'
import { readKubeconfigFile } from '../discovery/file-discovery.ts'
import { readKubeconfig, type KubeconfigSource } from '../discovery/kubeconfig-material.ts'
import type { Kubeconfig } from '../kube/kubeconfig.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Files } from '../lib/ports.ts'

export interface LocalKubeconfig {
  path: string
  source: KubeconfigSource
  kubeconfig: Kubeconfig
}

/** Undefined where the cluster is found otherwise, and for one that cannot be used: what is wrong with it is for discovery to tell. */
export async function localKubeconfig(
  files: Files,
  { discovery }: JoinConfiguration,
): Promise<LocalKubeconfig | undefined> {
  if (discovery.kind !== 'file') return undefined
  try {
    const source = await readKubeconfigFile(files, discovery.path)
    return { path: discovery.path, source, kubeconfig: readKubeconfig(source) }
  } catch (thrown) {
    if (thrown instanceof BootstrapError) return undefined
    throw thrown
  }
}
