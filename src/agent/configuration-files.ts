/** The files that a configuration is made of: join.yaml, and what it names of tokens, CAs and kubeconfigs. It hands on no content. */
import type { JoinConfiguration } from '../config/index.ts'
import { readKubeconfigFile } from '../discovery/file-discovery.ts'
import { filesNamedBy } from '../discovery/kubeconfig-material.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Files } from '../lib/ports.ts'

/** Each once, join.yaml first. Who can change one of them changes the configuration. */
export async function configurationFiles(
  files: Files,
  configurationPath: string,
  { discovery, bootstrap }: JoinConfiguration,
): Promise<string[]> {
  const named = [
    bootstrap.token?.kind === 'file' ? bootstrap.token.path : undefined,
    discovery.kind === 'token' && discovery.token.kind === 'file' ? discovery.token.path : undefined,
    discovery.caFile,
    discovery.kind === 'https' ? discovery.clusterCAFile : undefined,
    ...(discovery.kind === 'file' ? [discovery.path, ...(await namedByKubeconfig(files, discovery.path))] : []),
  ]
  return [...new Set([configurationPath, ...named.filter((item) => item !== undefined)])]
}

/** A kubeconfig that cannot be read names nothing: it is one of the files itself. */
async function namedByKubeconfig(files: Files, path: string): Promise<string[]> {
  try {
    return filesNamedBy(await readKubeconfigFile(files, path))
  } catch (thrown) {
    if (thrown instanceof BootstrapError) return []
    throw thrown
  }
}
