/** The files of this machine that a discovery rests on beside join.yaml: another content means another discovery. */
import type { JoinConfiguration } from '../config/index.ts'
import { readKubeconfigFile } from '../discovery/file-discovery.ts'
import { certificateAuthorityOf, readKubeconfig } from '../discovery/kubeconfig-material.ts'
import type { Files } from '../lib/ports.ts'
import { readAuthorities } from './credentials.ts'
import { authoritiesDigest, digest } from './digests.ts'

/**
 * Of what they say of the cluster, not of credentials in them. Taken before a discovery reads them, so that a change in
 * between is noticed afterwards. Undefined where one cannot be read now: that says nothing against what was verified.
 */
export async function discoveryInputsDigest(
  files: Files,
  configuration: JoinConfiguration,
): Promise<string | undefined> {
  try {
    return digest(await discoveryInputs(files, configuration))
  } catch {
    return undefined
  }
}

async function discoveryInputs(files: Files, { discovery }: JoinConfiguration): Promise<unknown> {
  const bundle = async (path: string | undefined): Promise<string | null> =>
    path === undefined ? null : authoritiesDigest(await readAuthorities(files, path))
  switch (discovery.kind) {
    case 'token':
      return [await bundle(discovery.caFile)]
    case 'https':
      return [await bundle(discovery.caFile), await bundle(discovery.clusterCAFile)]
    case 'file': {
      const source = await readKubeconfigFile(files, discovery.path)
      const { cluster } = readKubeconfig(source)
      const authorities = await certificateAuthorityOf(files, source, cluster.certificateAuthority)
      const presented = authorities === undefined ? null : authoritiesDigest(authorities)
      return [await bundle(discovery.caFile), cluster.server.href, presented]
    }
  }
}
