/**
 * Which cluster this machine is a node of, where cluster.json is lost and discovery fails: what the agent has written for
 * the kubelet still says it. Refuses what join.yaml does not vouch for, and what the API server does not confirm.
 */
import { dirname } from 'node:path'
import type { JoinConfiguration } from '../config/index.ts'
import type { Discovered } from '../discovery/discovered.ts'
import { readKubeconfig } from '../discovery/kubeconfig-material.ts'
import type { ApiServer } from '../kube/api-request.ts'
import { isOwnCaFile, rootsOf, type Cluster } from '../kube/cluster.ts'
import { isOwnKubeconfig } from '../kube/kubelet-kubeconfig.ts'
import { requireAuthentication } from '../kube/own-node.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Files } from '../lib/ports.ts'
import { readText } from '../lib/text-file.ts'
import { CertificateError, parseCertificates } from '../pki/certificate.ts'
import { readCurrentPair } from '../store/certificate-pair.ts'
import { CLIENT, pairPlace } from './certificate-kind.ts'
import type { ActionContext } from './context.ts'
import { mismatchOf } from './pair-mismatch.ts'
import { voucherOf } from './voucher.ts'

/** Undefined where that is not enough to go on with. Asks the server once, as the node, verified by the CA that it knew. */
export async function recalledCluster(context: ActionContext): Promise<Discovered | undefined> {
  const { ports, configuration, signal } = context
  const { kubeconfig, ca } = configuration.files
  try {
    const cluster = await publishedCluster(ports.files, configuration)
    if (cluster === undefined) return undefined
    const voucher = await voucherOf(ports.files, configuration, cluster.authorities)
    const api = await serverAsNode(context, cluster)
    if (voucher === undefined || api === undefined) return undefined
    await requireAuthentication(ports.client, api, configuration.node.name, signal)
    const verified = [
      `${kubeconfig} and ${ca} name the cluster, as this agent had written them`,
      voucher,
      `${api.server.host} proved to hold a certificate of that CA, and accepts the certificate of this node`,
    ]
    return { cluster, evidence: { method: configuration.discovery.kind, source: kubeconfig, verified } }
  } catch (thrown) {
    if (thrown instanceof BootstrapError || thrown instanceof CertificateError) return undefined
    throw thrown
  }
}

async function publishedCluster(files: Files, configuration: JoinConfiguration): Promise<Cluster | undefined> {
  const { kubeconfig, ca } = configuration.files
  const text = (await readText(files, kubeconfig)) ?? ''
  const bundle = (await readText(files, ca)) ?? ''
  if (!isOwnKubeconfig(text) || !isOwnCaFile(bundle)) return undefined
  const source = { label: kubeconfig, origin: 'local', directory: dirname(kubeconfig), text } as const
  return { server: readKubeconfig(source).cluster.server, authorities: parseCertificates(bundle) }
}

/** With the certificate in its place, where that is this node's own in this cluster, and valid. */
async function serverAsNode(
  { ports: { files, clock }, configuration }: ActionContext,
  cluster: Cluster,
): Promise<ApiServer | undefined> {
  const stored = await readCurrentPair(files, pairPlace(configuration.files, CLIENT))
  if (stored.kind !== 'pair' || mismatchOf(stored.pair, configuration, CLIENT, cluster) !== undefined) return undefined
  const { certificate, chainPem: certificateChain, key: privateKey } = stored.pair
  const nowMs = clock.nowMs()
  if (nowMs < certificate.notBeforeMs || nowMs >= certificate.notAfterMs) return undefined
  const credential = { kind: 'certificate', identity: { certificateChain, privateKey } } as const
  return { server: cluster.server, trust: { roots: rootsOf(cluster) }, credential }
}
