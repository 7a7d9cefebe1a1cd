/**
 * Writes the cluster's CA and the kubelet's kubeconfig, in that order, because the kubelet waits for the kubeconfig; and
 * then that this machine has joined, which outlives the files.
 */
import { readText } from '../../lib/text-file.ts'
import { caFileText, isOwnCaFile, type Cluster } from '../../kube/cluster.ts'
import { isOwnKubeconfig } from '../../kube/kubelet-kubeconfig.ts'
import { writeClusterRecord } from '../../store/cluster-record.ts'
import { replaceFile } from '../../store/durable-file.ts'
import { verifiedCluster, type ActionContext } from '../context.ts'
import { kubeconfigText } from '../desired.ts'

export async function publish(context: ActionContext): Promise<void> {
  const { files } = context.ports
  const record = verifiedCluster(context)
  // Nobody writes over what it cannot read: it may be another's, and is the next look's to read again.
  if (context.seen.publicationFault !== undefined) throw context.seen.publicationFault
  if (!context.seen.published) await writeKubeletFiles(context, record.cluster)
  if (!record.hasJoined)
    await writeClusterRecord(files, context.configuration.files.state, { ...record, hasJoined: true })
}

async function writeKubeletFiles(context: ActionContext, cluster: Cluster): Promise<void> {
  const { files, log } = context.ports
  const { ca, kubeconfig } = context.configuration.files
  await keepForeign(context, ca, isOwnCaFile)
  await replaceFile(files, ca, caFileText(cluster), 0o644)
  await keepForeign(context, kubeconfig, isOwnKubeconfig)
  await replaceFile(files, kubeconfig, kubeconfigText(context.configuration, cluster), 0o600)
  log.info('the kubeconfig is written', { kubeconfig, ca, server: cluster.server.href })
}

/** What stood there before and was not ours is set aside under a name that is free, never lost. */
async function keepForeign(context: ActionContext, path: string, isOurs: (text: string) => boolean): Promise<void> {
  const { files, log } = context.ports
  const text = await readText(files, path)
  if (text === undefined || isOurs(text)) return
  const base = `${path}.before-node-bootstrap`
  let aside = base
  for (let count = 1; (await readText(files, aside)) !== undefined; count += 1) {
    if ((await readText(files, aside)) === text) return
    aside = `${base}.${count}`
  }
  await replaceFile(files, aside, text, 0o600)
  log.warn('a file is replaced, and what stood in it is kept', { path, copy: aside })
}
