/**
 * Writes the files that others may read again, for their owner alone. A file system that keeps no modes lets it have no
 * effect: that is remembered, so that it is told as what it is and not tried over and over.
 */
import { isExposed } from '../../lib/file-mode.ts'
import { MAX_RECORD_BYTES } from '../../store/cluster-record.ts'
import { rewriteFile } from '../../store/durable-file.ts'
import type { ActionContext } from '../context.ts'

export async function protect({ ports, certificate, certificateMemory }: ActionContext): Promise<void> {
  const { files, log } = ports
  for (const path of certificate.exposed) {
    // The cluster's record is the largest of them.
    const content = await files.read(path, MAX_RECORD_BYTES)
    if (content === undefined) continue
    await rewriteFile(files, path, content, 0o600)
    if (isExposed(await files.stat(path))) certificateMemory.unprotected.add(path)
    else log.info('a file can be read by its owner alone again', { path })
  }
}
