/** Reads a small file as text: everything that this program reads is one, and what is larger is refused unread. */
import type { Files } from './ports.ts'

/** No certificate, key, kubeconfig or join.yaml comes near it. */
export const MAX_FILE_BYTES = 1024 * 1024

/** The file as text, or undefined where there is none. Throws `storage-*`. */
export async function readText(files: Files, path: string): Promise<string | undefined> {
  const bytes = await files.read(path, MAX_FILE_BYTES)
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8')
}
