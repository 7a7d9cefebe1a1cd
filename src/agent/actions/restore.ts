/** Puts this node's own pair back where the kubelet looks for it, and takes away what is of no use any more. */
import { BootstrapError } from '../../lib/errors.ts'
import { installPair } from '../../store/certificate-pair.ts'
import { removeDurably } from '../../store/durable-file.ts'
import { CLIENT, pairPlace } from '../certificate-kind.ts'
import type { ActionContext } from '../context.ts'

export async function restore({ ports, configuration, seen, memory }: ActionContext): Promise<void> {
  if (seen.identity.kind !== 'ours') throw new BootstrapError('internal', 'there is no pair to restore')
  const { pair } = seen.identity
  const place = pairPlace(configuration.files, CLIENT)
  const path = await installPair(ports.files, place, pair.chainPem, pair.key, ports.clock.nowMs())
  memory.installedFingerprint = pair.certificate.fingerprint
  ports.log.info('the current certificate is in its place again', { path })
}

export async function tidy({ ports, seen }: ActionContext): Promise<void> {
  for (const path of seen.leftOver) await removeDurably(ports.files, path)
  ports.log.info('files that were left over are removed', { paths: seen.leftOver.join(', ') })
}
