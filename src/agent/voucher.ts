/** What of the operator's own hand in join.yaml says that a CA is the cluster's: a pin, or a CA file. No token, no URL, no file that names a cluster does. */
import type { JoinConfiguration } from '../config/index.ts'
import { pinnedAuthorities, requireKnownAuthorities } from '../discovery/authorities.ts'
import type { Files } from '../lib/ports.ts'
import type { Certificate } from '../pki/certificate.ts'
import { readAuthorities } from './credentials.ts'

/** In words; throws where it says another one, undefined where nothing does. */
export async function voucherOf(
  files: Files,
  { discovery }: JoinConfiguration,
  authorities: readonly Certificate[],
): Promise<string | undefined> {
  const name = discovery.kind === 'https' ? 'clusterCAFile' : 'caFile'
  const path = discovery.kind === 'https' ? discovery.clusterCAFile : discovery.caFile
  if (path !== undefined) requireKnownAuthorities(authorities, await readAuthorities(files, path))
  const isPinned = discovery.kind === 'token' && discovery.caCertHashes.length > 0
  if (isPinned) {
    pinnedAuthorities(authorities, discovery.caCertHashes)
    return 'its CA has a pinned public key'
  }
  return path === undefined ? undefined : `its CA is in ${name}`
}
