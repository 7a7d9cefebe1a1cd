/** The objects that kubeadm leaves in a new cluster and a join depends on, as data: what to create, and where. */

export interface ObjectToCreate {
  /** The collection to post to. */
  path: string
  object: Readonly<Record<string, unknown>>
}

export interface ClusterFacts {
  caPem: string
  endpoint: string
  version: string
  approval: 'automatic' | 'manual'
}

const BOOTSTRAPPERS = 'system:bootstrappers:kubeadm:default-node-token'
const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const RBAC_GROUP = 'rbac.authorization.k8s.io'

export const CLUSTER_INFO_PATH = '/api/v1/namespaces/kube-public/configmaps/cluster-info'
export const TOKEN_SECRETS_PATH = '/api/v1/namespaces/kube-system/secrets'

/** All but the namespace kube-public, which must be there first. Their order does not matter. */
export function clusterObjects(facts: ClusterFacts): ObjectToCreate[] {
  return [
    configMap('kube-public', 'cluster-info', { kubeconfig: clusterInfoKubeconfig(facts.caPem, facts.endpoint) }),
    ...readableConfigMap('kube-public', 'kubeadm:bootstrap-signer-clusterinfo', ['cluster-info'], [anonymous]),
    groupBinding('kubeadm:kubelet-bootstrap', 'system:node-bootstrapper', BOOTSTRAPPERS),
    ...(facts.approval === 'automatic' ? automaticApproval() : []),
    ...kubeadmJoin(facts),
  ]
}

/** The Secret that is a bootstrap token. */
export function tokenSecret(
  [id, secret]: readonly [string, string],
  token: { expiresAt: Date; signing: boolean; authentication: boolean },
): ObjectToCreate {
  return {
    path: TOKEN_SECRETS_PATH,
    object: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: `bootstrap-token-${id}` },
      type: 'bootstrap.kubernetes.io/token',
      stringData: {
        'token-id': id,
        'token-secret': secret,
        expiration: token.expiresAt.toISOString().replace(/\.\d+Z$/, 'Z'),
        'usage-bootstrap-signing': String(token.signing),
        'usage-bootstrap-authentication': String(token.authentication),
        'auth-extra-groups': BOOTSTRAPPERS,
      },
    },
  }
}

function clusterInfoKubeconfig(caPem: string, endpoint: string): string {
  return [
    'apiVersion: v1',
    'clusters:',
    '- cluster:',
    `    certificate-authority-data: ${Buffer.from(caPem).toString('base64')}`,
    `    server: https://${endpoint}`,
    '  name: ""',
    'contexts: null',
    'current-context: ""',
    'kind: Config',
    'preferences: {}',
    'users: null',
    '',
  ].join('\n')
}

function automaticApproval(): ObjectToCreate[] {
  const role = (kind: string) => `system:certificates.k8s.io:certificatesigningrequests:${kind}`
  return [
    groupBinding('kubeadm:node-autoapprove-bootstrap', role('nodeclient'), BOOTSTRAPPERS),
    groupBinding('kubeadm:node-autoapprove-certificate-rotation', role('selfnodeclient'), 'system:nodes'),
  ]
}

/** What `kubeadm join` itself reads before it starts the kubelet. */
function kubeadmJoin(facts: ClusterFacts): ObjectToCreate[] {
  const nodes = [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }]
  return [
    ...readableConfigMap('kube-system', 'lab:join-configmaps', undefined, [
      group(BOOTSTRAPPERS),
      group('system:nodes'),
    ]),
    groupBinding('lab:join-nodes-get', 'view', BOOTSTRAPPERS),
    { path: `${RBAC}/clusterroles`, object: rbac('ClusterRole', 'kubeadm:get-nodes', { rules: nodes }) },
    groupBinding('kubeadm:get-nodes', 'kubeadm:get-nodes', BOOTSTRAPPERS),
    configMap('kube-system', 'kubeadm-config', { ClusterConfiguration: yaml(clusterConfiguration(facts)) }),
    configMap('kube-system', 'kubelet-config', { kubelet: yaml(kubeletConfiguration) }),
    configMap('kube-system', 'kube-proxy', {
      'config.conf': yaml({
        apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
        kind: 'KubeProxyConfiguration',
        clusterCIDR: '10.244.0.0/16',
      }),
    }),
  ]
}

const kubeletConfiguration = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: '/etc/kubernetes/pki/ca.crt' },
  },
  authorization: { mode: 'Webhook' },
  cgroupDriver: 'cgroupfs',
  clusterDNS: ['10.96.0.10'],
  clusterDomain: 'cluster.local',
  failSwapOn: false,
  failCgroupV1: false,
  healthzBindAddress: '127.0.0.1',
  healthzPort: 10248,
  rotateCertificates: true,
  staticPodPath: '/etc/kubernetes/manifests',
}

function clusterConfiguration({ endpoint, version }: ClusterFacts): Record<string, unknown> {
  return {
    apiVersion: 'kubeadm.k8s.io/v1beta2',
    kind: 'ClusterConfiguration',
    clusterName: 'lab',
    controlPlaneEndpoint: endpoint,
    kubernetesVersion: `v${version}`,
    networking: { dnsDomain: 'cluster.local', serviceSubnet: '10.96.0.0/16' },
  }
}

const anonymous = { apiGroup: RBAC_GROUP, kind: 'User', name: 'system:anonymous' }

function group(name: string): Record<string, string> {
  return { apiGroup: RBAC_GROUP, kind: 'Group', name }
}

function rbac(kind: string, name: string, rest: Record<string, unknown>): Record<string, unknown> {
  return { apiVersion: `${RBAC_GROUP}/v1`, kind, metadata: { name }, ...rest }
}

function groupBinding(name: string, clusterRole: string, groupName: string): ObjectToCreate {
  const roleRef = { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: clusterRole }
  return {
    path: `${RBAC}/clusterrolebindings`,
    object: rbac('ClusterRoleBinding', name, { roleRef, subjects: [group(groupName)] }),
  }
}

function readableConfigMap(
  namespace: string,
  name: string,
  resourceNames: readonly string[] | undefined,
  subjects: readonly Record<string, string>[],
): ObjectToCreate[] {
  const rule = {
    apiGroups: [''],
    resources: ['configmaps'],
    verbs: ['get'],
    ...(resourceNames === undefined ? {} : { resourceNames }),
  }
  const roleRef = { apiGroup: RBAC_GROUP, kind: 'Role', name }
  return [
    { path: `${RBAC}/namespaces/${namespace}/roles`, object: rbac('Role', name, { rules: [rule] }) },
    { path: `${RBAC}/namespaces/${namespace}/rolebindings`, object: rbac('RoleBinding', name, { roleRef, subjects }) },
  ]
}

function configMap(namespace: string, name: string, data: Record<string, string>): ObjectToCreate {
  return {
    path: `/api/v1/namespaces/${namespace}/configmaps`,
    object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data },
  }
}

/** JSON is YAML, and needs no library that the code under test also uses. */
function yaml(value: unknown): string {
  return JSON.stringify(value, undefined, 2)
}
