/**
 * Which files of the agent's own hold a key or a credential and let others than their owner read it: told by their modes
 * alone, whatever else is known of the node, so that it shows in every phase. It changes nothing.
 */
import { basename, join } from 'node:path'
import type { JoinConfiguration } from '../config/index.ts'
import type { UnprotectedFile } from '../findings/trade-offs.ts'
import { isOwnKubeconfig } from '../kube/kubelet-kubeconfig.ts'
import { isExposed } from '../lib/file-mode.ts'
import type { Files } from '../lib/ports.ts'
import { readText } from '../lib/text-file.ts'
import { currentPairPath, pairPaths } from '../store/certificate-pair.ts'
import { clusterRecordPath } from '../store/cluster-record.ts'
import { pendingRequestPath } from '../store/pending-request.ts'
import { pairPlace, stateDirectory, type CertificateKind } from './certificate-kind.ts'
import type { Oddity } from './oddities.ts'

export interface ExposedFile extends UnprotectedFile {
  oddity: Oddity
}

/** Each file once. */
export async function exposedFiles(
  files: Files,
  configuration: JoinConfiguration,
  kind: CertificateKind,
): Promise<ExposedFile[]> {
  const pending = pendingRequestPath(stateDirectory(configuration.files, kind))
  const candidates: ExposedFile[] = [
    { path: pending, oddity: 'pending-request-readable-by-others', holds: 'key' },
    // Where the kubelet renews, its files are its own.
    ...(configuration.certificate.rotation.owner === 'agent' ? await pairFiles(files, configuration, kind) : []),
    ...(kind.name === 'client' ? await filesOfTheCluster(files, configuration) : []),
  ]
  const found = new Map<string, ExposedFile>()
  for (const file of candidates)
    if (!found.has(file.path) && isExposed(await files.stat(file.path))) found.set(file.path, file)
  return [...found.values()]
}

/** What the link leads to, or what stands in its place, before the older ones. */
async function pairFiles(
  files: Files,
  configuration: JoinConfiguration,
  kind: CertificateKind,
): Promise<ExposedFile[]> {
  const place = pairPlace(configuration.files, kind)
  const target = await files.readLink(currentPairPath(place))
  const current = target === undefined ? currentPairPath(place) : join(place.directory, basename(target))
  const others = await pairPaths(files, place)
  return [
    { path: current, oddity: 'readable-by-others', holds: 'key' },
    ...others.map((path) => ({ path, oddity: 'older-pair-readable-by-others', holds: 'key' }) as const),
  ]
}

/** The record may hold the credential that the cluster was found with. A kubeconfig of another program is not ours to change. */
async function filesOfTheCluster(
  files: Files,
  { files: { state, kubeconfig } }: JoinConfiguration,
): Promise<ExposedFile[]> {
  // One that cannot be read is told by `publish`, and holds no look up.
  const text = isExposed(await files.stat(kubeconfig)) ? await readText(files, kubeconfig).catch(() => '') : ''
  const isOwn = isOwnKubeconfig(text ?? '')
  return [
    { path: clusterRecordPath(state), oddity: 'cluster-record-readable-by-others', holds: 'credential' },
    ...(isOwn ? [{ path: kubeconfig, oddity: 'kubeconfig-readable-by-others', holds: 'credential' } as const] : []),
  ]
}
