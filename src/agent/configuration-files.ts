/** The files that a configuration is made of: join.yaml, and what it names of tokens, CAs and kubeconfigs. It hands on no content. */
import type { JoinConfiguration } from '../config/index.ts'
import { filesNamedBy } from '../discovery/kubeconfig-material.ts'
import type { LocalKubeconfig } from './local-kubeconfig.ts'

/** Each once, join.yaml first. Who can change one of them changes the configuration. */
export function configurationFiles(
  configurationPath: string,
  { discovery, bootstrap }: JoinConfiguration,
  local: LocalKubeconfig | undefined,
): string[] {
  const named = [
    bootstrap.token?.kind === 'file' ? bootstrap.token.path : undefined,
    discovery.kind === 'token' && discovery.token.kind === 'file' ? discovery.token.path : undefined,
    discovery.caFile,
    discovery.kind === 'https' ? discovery.clusterCAFile : undefined,
    discovery.kind === 'file' ? discovery.path : undefined,
    // One that cannot be read names nothing.
    ...(local === undefined ? [] : filesNamedBy(local.source, local.kubeconfig)),
  ]
  return [...new Set([configurationPath, ...named.filter((item) => item !== undefined)])]
}
