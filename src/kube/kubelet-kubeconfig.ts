/** The text of the kubeconfig that the kubelet is given. */
export interface KubeletKubeconfig {
  server: string
  certificateAuthority: string
  clientCertificate: string
  clientKey: string
}

const MARK =
  '# Written by node-bootstrap, which keeps it current. It names files, so that a renewed certificate is picked up.'

export const isOwnKubeconfig = (text: string): boolean => text.startsWith(MARK)

/** The kubelet's kubeconfig: it names the CA, the certificate and the key by path and embeds nothing. */
export function renderKubeletKubeconfig(files: KubeletKubeconfig): string {
  const quoted = (text: string): string => JSON.stringify(text)
  return `${MARK}
apiVersion: v1
kind: Config
clusters:
- name: default-cluster
  cluster:
    certificate-authority: ${quoted(files.certificateAuthority)}
    server: ${quoted(files.server)}
users:
- name: default-auth
  user:
    client-certificate: ${quoted(files.clientCertificate)}
    client-key: ${quoted(files.clientKey)}
contexts:
- name: default-context
  context:
    cluster: default-cluster
    namespace: default
    user: default-auth
current-context: default-context
`
}
