/** The files of this machine that a discovery rests on beside join.yaml: another content means another discovery. */
import type { JoinConfiguration } from '../config/index.ts'
import { certificateAuthorityOf } from '../discovery/kubeconfig-material.ts'
import type { Files } from '../lib/ports.ts'
import { readAuthorities } from './credentials.ts'
import { authoritiesDigest, digest } from './digests.ts'
import type { LocalKubeconfig } from './local-kubeconfig.ts'

/**
 * Of what they say of the cluster, not of credentials in them. Taken before a discovery reads them, so that a change in
 * between is noticed afterwards. Undefined where one cannot be read now: that says nothing against what was verified.
 */
export async function discoveryInputsDigest(
  files: Files,
  configuration: JoinConfiguration,
  local: LocalKubeconfig | undefined,
): Promise<string | undefined> {
  try {
    const inputs = await discoveryInputs(files, configuration, local)
    return inputs === undefined ? undefined : digest(inputs)
  } catch {
    return undefined
  }
}

async function discoveryInputs(
  files: Files,
  { discovery }: JoinConfiguration,
  local: LocalKubeconfig | undefined,
): Promise<readonly (string | null)[] | undefined> {
  const bundle = async (path: string | undefined): Promise<string | null> =>
    path === undefined ? null : authoritiesDigest(await readAuthorities(files, path))
  switch (discovery.kind) {
    case 'token':
      return [await bundle(discovery.caFile)]
    case 'https':
      return [await bundle(discovery.caFile), await bundle(discovery.clusterCAFile)]
    case 'file': {
      if (local === undefined) return undefined
      const { cluster } = local.kubeconfig
      const authorities = await certificateAuthorityOf(files, local.source, cluster.certificateAuthority)
      const presented = authorities === undefined ? null : authoritiesDigest(authorities)
      return [await bundle(discovery.caFile), cluster.server.href, presented]
    }
  }
}
