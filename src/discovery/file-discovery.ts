/** Discovery by a kubeconfig on this machine: whoever could write that file decides what is trusted. */
import { dirname } from 'node:path'
import type { ApiClient } from '../kube/api-request.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Files } from '../lib/ports.ts'
import { readText } from '../lib/text-file.ts'
import type { Certificate } from '../pki/certificate.ts'
import type { Discovered } from './discovered.ts'
import { verifyKubeconfig } from './kubeconfig-discovery.ts'
import type { KubeconfigSource } from './kubeconfig-material.ts'

export interface FileDiscoveryInput {
  path: string
  /** The CA bundle that came out of band. */
  knownAuthorities: readonly Certificate[] | undefined
}

/** Throws `kubeconfig-missing`, `storage-*`. */
export async function readKubeconfigFile(files: Files, path: string): Promise<KubeconfigSource> {
  const text = await readText(files, path)
  if (text === undefined) throw new BootstrapError('kubeconfig-missing', `${path} is not there`)
  return { label: path, origin: 'local', directory: dirname(path), text }
}

export async function discoverByFile(
  files: Files,
  client: ApiClient,
  { path, knownAuthorities }: FileDiscoveryInput,
  signal: AbortSignal,
): Promise<Discovered> {
  const source = await readKubeconfigFile(files, path)
  const known = { required: knownAuthorities, fallback: undefined }
  const cluster = await verifyKubeconfig(files, client, source, known, signal)
  return {
    cluster,
    evidence: {
      method: 'file',
      source: path,
      verified: [
        ...(knownAuthorities === undefined ? [] : ['its CA is in caFile']),
        `${cluster.server.host} proved to hold a certificate of that CA`,
      ],
    },
  }
}
