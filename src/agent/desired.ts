/** What today's configuration wants of a certificate and of the kubeconfig, in the form that the world is compared with. */
import type { JoinConfiguration } from '../config/index.ts'
import { NODES_GROUP, nodeUser } from '../kube/certificate-signing-request.ts'
import type { Cluster } from '../kube/cluster.ts'
import { renderKubeletKubeconfig } from '../kube/kubelet-kubeconfig.ts'
import type { Subject } from '../pki/certificate-signing-request.ts'
import { currentPairPath } from '../store/client-identity.ts'

export const nodeSubject = (configuration: JoinConfiguration): Subject => ({
  commonName: nodeUser(configuration.node.name),
  organizations: [NODES_GROUP],
})

export const kubeconfigText = (configuration: JoinConfiguration, cluster: Cluster): string =>
  renderKubeletKubeconfig({
    server: cluster.server.href.replace(/\/$/, ''),
    certificateAuthority: configuration.files.ca,
    clientCertificate: currentPairPath(configuration.files.certificates),
    clientKey: currentPairPath(configuration.files.certificates),
  })

/** Whole seconds, as the API takes them. */
export const expirationSeconds = (durationMs: number | undefined): number | undefined =>
  durationMs === undefined ? undefined : Math.floor(durationMs / 1000)
