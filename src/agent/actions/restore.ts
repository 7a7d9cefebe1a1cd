/** Puts this node's own pair back where the kubelet looks for it, and takes away what is of no use any more. */
import { BootstrapError } from '../../lib/errors.ts'
import { installPair } from '../../store/certificate-pair.ts'
import { removeDurably } from '../../store/durable-file.ts'
import { pairPlace } from '../certificate-kind.ts'
import type { ActionContext } from '../context.ts'

export async function restore(context: ActionContext): Promise<void> {
  const { ports, configuration, kind, certificate, certificateMemory } = context
  if (certificate.identity.kind !== 'ours') throw new BootstrapError('internal', 'there is no pair to restore')
  const { pair } = certificate.identity
  const place = pairPlace(configuration.files, kind)
  const path = await installPair(ports.files, place, pair.chainPem, pair.key, ports.clock.nowMs())
  certificateMemory.installedFingerprint = pair.certificate.fingerprint
  ports.log.info(`the current ${kind.title} is in its place again`, { path })
}

export async function tidy({ ports, certificate }: ActionContext): Promise<void> {
  for (const path of certificate.leftOver) await removeDurably(ports.files, path)
  ports.log.info('files that were left over are removed', { paths: certificate.leftOver.join(', ') })
}
