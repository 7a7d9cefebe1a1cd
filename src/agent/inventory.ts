/**
 * What on this machine is the agent's, for leaving: each file with what it is, and whether it goes. A kubeconfig, a CA
 * bundle and metrics are judged by content, so another program's in their place stay. A pair is known by its name alone: the
 * kubelet makes the same ones, and a node that leaves has no use for either. It removes nothing.
 */
import { dirname } from 'node:path'
import type { FilesConfiguration, JoinConfiguration } from '../config/index.ts'
import { isOwnCaFile } from '../kube/cluster.ts'
import { isOwnKubeconfig } from '../kube/kubelet-kubeconfig.ts'
import type { Files } from '../lib/ports.ts'
import { MAX_FILE_BYTES, readText } from '../lib/text-file.ts'
import { askedRenewalPath } from '../store/asked-renewal.ts'
import { pairPaths } from '../store/certificate-pair.ts'
import { keyLedgerPath } from '../store/key-ledger.ts'
import { clusterRecordPath } from '../store/cluster-record.ts'
import { temporaryPath } from '../store/durable-file.ts'
import { hookRecordPath } from '../store/hook-record.ts'
import { pendingRequestPath, refusalPath } from '../store/pending-request.ts'
import { joinedMarkPath, statusPath } from '../store/status-file.ts'
import { CLIENT, pairPlace, SERVING, stateDirectory } from './certificate-kind.ts'
import { isOwnMetrics } from './metrics.ts'

export interface InventoryItem {
  path: string
  /** What it is; for what is kept, why it is. */
  what: string
  isKept: boolean
}

/**
 * In the order in which they go: the mark and the kubeconfig first, so that no kubelet starts without its files.
 */
export async function takeInventory(
  files: Files,
  { files: configured, metrics: { textfile } }: Pick<JoinConfiguration, 'files' | 'metrics'>,
  includeKubeletFiles: boolean,
): Promise<InventoryItem[]> {
  const { state, runtime } = configured
  const kubelets = await kubeletFiles(files, configured)
  const items = [
    ...(includeKubeletFiles ? kubelets : kubelets.map(kept)),
    ...leftovers(configured, textfile),
    gone(statusPath(runtime), 'what status shows'),
    ...(textfile === undefined ? [] : [await metricsFile(files, textfile)]),
    ...ownRecords(stateDirectory(configured, SERVING)),
    ...ownRecords(state),
    gone(clusterRecordPath(state), 'the verified cluster'),
  ]
  const there = await Promise.all(items.map(async ({ path }) => (await files.stat(path)) !== undefined))
  return items.filter((_item, index) => there[index])
}

const ownRecords = (directory: string): InventoryItem[] => [
  gone(askedRenewalPath(directory), 'a renewal that was asked for'),
  gone(pendingRequestPath(directory), 'the key and request that have no certificate yet'),
  gone(hookRecordPath(directory), 'which hooks have run'),
  gone(refusalPath(directory), 'why a request was refused'),
  gone(keyLedgerPath(directory), 'when keys were made'),
]

const gone = (path: string, what: string): InventoryItem => ({ path, what, isKept: false })

const kept = (item: InventoryItem): InventoryItem =>
  item.isKept ? item : { ...item, what: `${item.what}; it goes with --kubelet-files`, isKept: true }

async function kubeletFiles(files: Files, configured: FilesConfiguration): Promise<InventoryItem[]> {
  const { kubeconfig, ca, runtime } = configured
  const isOwnConfig = isOwnKubeconfig((await readText(files, kubeconfig)) ?? '')
  const isOwnCa = isOwnCaFile((await readText(files, ca)) ?? '')
  return [
    gone(joinedMarkPath(runtime), 'that the kubelet may start'),
    isOwnConfig
      ? gone(kubeconfig, 'the kubeconfig of the kubelet')
      : { path: kubeconfig, what: 'a kubeconfig that node-bootstrap did not write', isKept: true },
    ...(await pairPaths(files, pairPlace(configured, CLIENT))).map((path) =>
      gone(path, 'the certificate and key of the kubelet'),
    ),
    ...(await pairPaths(files, pairPlace(configured, SERVING))).map((path) =>
      gone(path, 'the certificate and key of the kubelet’s server'),
    ),
    isOwnCa
      ? gone(ca, 'the CA of the cluster')
      : { path: ca, what: 'a CA bundle that node-bootstrap did not write', isKept: true },
  ]
}

/** An agent that was killed leaves it. A link, or what is larger than any of ours, the agent did not write. */
async function metricsFile(files: Files, path: string): Promise<InventoryItem> {
  const facts = await files.stat(path)
  const mayBeOwn = facts?.kind === 'file' && facts.sizeBytes <= MAX_FILE_BYTES
  return mayBeOwn && isOwnMetrics((await readText(files, path)) ?? '')
    ? gone(path, 'the metrics')
    : { path, what: 'metrics that node-bootstrap did not write', isKept: true }
}

/** Of a write that a crash broke off: they may hold a key, so they go in any case. */
function leftovers(configured: FilesConfiguration, textfile: string | undefined): InventoryItem[] {
  const { kubeconfig, ca, certificates, state, runtime } = configured
  const serving = stateDirectory(configured, SERVING)
  const metrics = textfile === undefined ? [] : [dirname(textfile)]
  const directories = new Set([dirname(kubeconfig), dirname(ca), certificates, state, serving, runtime, ...metrics])
  return [...directories].map((directory) =>
    gone(temporaryPath(`${directory}/any`), 'what an interrupted write left behind'),
  )
}
