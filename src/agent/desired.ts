/** What today's configuration wants of a certificate and of the kubeconfig, in the form that the world is compared with. */
import type { JoinConfiguration } from '../config/index.ts'
import { NODES_GROUP, nodeUser } from '../kube/certificate-signing-request.ts'
import type { Cluster } from '../kube/cluster.ts'
import { renderKubeletKubeconfig } from '../kube/kubelet-kubeconfig.ts'
import type { Subject } from '../pki/certificate-signing-request.ts'
import { currentPairPath } from '../store/certificate-pair.ts'
import { CLIENT, pairPlace } from './certificate-kind.ts'

export const nodeSubject = (configuration: JoinConfiguration): Subject => ({
  commonName: nodeUser(configuration.node.name),
  organizations: [NODES_GROUP],
})

export const kubeconfigText = (configuration: JoinConfiguration, cluster: Cluster): string =>
  renderKubeletKubeconfig({
    server: cluster.server.href.replace(/\/$/, ''),
    certificateAuthority: configuration.files.ca,
    clientCertificate: currentPairPath(pairPlace(configuration.files, CLIENT)),
    clientKey: currentPairPath(pairPlace(configuration.files, CLIENT)),
  })

/** Whole seconds, as the API takes them. */
export const expirationSeconds = (durationMs: number | undefined): number | undefined =>
  durationMs === undefined ? undefined : Math.floor(durationMs / 1000)
