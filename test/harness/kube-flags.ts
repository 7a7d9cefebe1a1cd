/** The command lines of etcd, kube-apiserver and kube-controller-manager, with flags that every release from 1.20 on has. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { ControlPlaneOptions } from './control-plane.ts'

const run = promisify(execFile)

/** Also the API server's own audience, as long as none is configured. */
export const SERVICE_ACCOUNT_ISSUER = 'https://kubernetes.default.svc'

export interface Ports {
  apiServer: number
  etcdClient: number
  etcdPeer: number
}

/** Relative paths: each process runs in the state directory. */
export function etcdFlags({ etcdClient, etcdPeer }: Ports): string[] {
  const [client, peer] = [`http://127.0.0.1:${etcdClient}`, `http://127.0.0.1:${etcdPeer}`]
  return [
    '--data-dir=etcd',
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    // Nothing here has to survive the machine.
    '--unsafe-no-fsync',
  ]
}

export function apiServerFlags(ports: Ports, options: ControlPlaneOptions): string[] {
  return [
    `--etcd-servers=http://127.0.0.1:${ports.etcdClient}`,
    `--secure-port=${ports.apiServer}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    '--tls-cert-file=apiserver.crt',
    '--tls-private-key-file=apiserver.key',
    '--client-ca-file=ca.crt',
    '--authorization-mode=Node,RBAC',
    '--enable-bootstrap-token-auth=true',
    '--enable-admission-plugins=NodeRestriction',
    '--service-account-key-file=sa.key',
    '--service-account-signing-key-file=sa.key',
    `--service-account-issuer=${SERVICE_ACCOUNT_ISSUER}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--allow-privileged=true',
    ...(options.anonymousAuth === false ? ['--anonymous-auth=false'] : []),
    ...(options.extraApiServerFlags ?? []),
  ]
}

/**
 * Only the controllers that a node's identity depends on: all of them would take the processor away from the tests.
 * clusterrole-aggregation fills the role `view`; serviceaccount makes the accounts that the others run as.
 */
const CONTROLLERS = [
  'bootstrapsigner',
  'tokencleaner',
  'csrapproving',
  'csrsigning',
  'csrcleaner',
  'root-ca-cert-publisher',
  'clusterrole-aggregation',
  'namespace',
  'serviceaccount',
]

export async function controllerManagerFlags(binary: string, options: ControlPlaneOptions): Promise<string[]> {
  const { stdout: help } = await run(binary, ['--help'], { maxBuffer: 1 << 24 })
  return [
    '--kubeconfig=kcm.conf',
    `--controllers=${CONTROLLERS.join(',')}`,
    '--cluster-signing-cert-file=ca.crt',
    '--cluster-signing-key-file=ca.key',
    `--cluster-signing-duration=${options.certificateDurationMs ?? 31_536_000_000}ms`,
    '--root-ca-file=ca.crt',
    '--service-account-private-key-file=sa.key',
    '--use-service-account-credentials=true',
    '--leader-elect=false',
    '--secure-port=0',
    // Until 1.23 there was a second port, without TLS, always the same: two control planes would fight for it.
    ...(/^ +--port int/m.test(help) ? ['--port=0'] : []),
  ]
}

/** How kube-controller-manager finds and trusts the API server. */
export function controllerManagerKubeconfig(port: number): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'lab', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority': 'trusted.crt' } },
    ],
    users: [{ name: 'kcm', user: { 'client-certificate': 'kcm.crt', 'client-key': 'kcm.key' } }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'kcm' } }],
    'current-context': 'lab',
  })
}
