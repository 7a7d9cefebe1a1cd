/**
 * The peer: `kubeadm join` with the kubelet's own TLS bootstrap, in a mount namespace where /etc and /var/lib are overlays,
 * so that nothing of this machine is touched. A stand-in for systemctl starts the kubelet at the moment when kubeadm asks
 * for that, and costs less than systemd would. Preflight is skipped, and no container runtime is needed: the kubelet is
 * killed as soon as it has its certificate.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, lstat, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { RealControlPlane } from '../harness/real-control-plane.ts'

/** The kubelet's first act is to make an RSA key and a self-signed serving certificate, unless it is told to ask the cluster for one. */
export type PeerVariant = 'as kubeadm sets it up' | 'with serverTLSBootstrap'
export const PEER_VARIANTS = [
  'as kubeadm sets it up',
  'with serverTLSBootstrap',
] as const satisfies readonly PeerVariant[]

export interface PeerJoin {
  /** From exec of kubeadm until certificate and kubelet.conf are on the disk. */
  ms: number
}

export interface PeerTarget {
  endpoint: string
  caCertHash: string
  token: string
  nodeName: string
}

const DEADLINE_MS = 60_000
const CONFIG_MAPS = '/api/v1/namespaces/kube-system/configmaps'

const SYSTEMCTL = `#!/bin/sh
case "$*" in
"status kubelet") echo "Loaded: loaded" ;;
"restart kubelet" | "start kubelet")
  . /var/lib/kubelet/kubeadm-flags.env
  "$KUBELET" --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf \\
    --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS >"$SCRATCH/kubelet.log" 2>&1 &
  echo $! >"$SCRATCH/kubelet.pid"
  ;;
esac
`

const JOIN = `set -e
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$SCRATCH/etc,workdir=$SCRATCH/etc-work" /etc
mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$SCRATCH/lib,workdir=$SCRATCH/lib-work" /var/lib
echo "$EPOCHREALTIME" >"$SCRATCH/began"
exec "$KUBEADM" join "$@" --skip-phases=preflight --ignore-preflight-errors=all
`

export class Peer {
  readonly version: string
  readonly #scratch: string
  readonly #environment: NodeJS.ProcessEnv
  readonly #controlPlane: RealControlPlane

  private constructor(
    version: string,
    scratch: string,
    environment: NodeJS.ProcessEnv,
    controlPlane: RealControlPlane,
  ) {
    this.version = version
    this.#scratch = scratch
    this.#environment = environment
    this.#controlPlane = controlPlane
  }

  /** From the paths in $KUBEADM and $KUBELET; a string says why there is no peer. */
  static async find(scratch: string, controlPlane: RealControlPlane): Promise<Peer | string> {
    const { KUBEADM, KUBELET, PATH = '' } = process.env
    if (KUBEADM === undefined || KUBELET === undefined) return '$KUBEADM and $KUBELET do not name them'
    if (process.getuid?.() !== 0) return 'a mount namespace needs root'
    const { stdout } = await promisify(execFile)(KUBEADM, ['version', '-o', 'short'])
    await mkdir(join(scratch, 'bin'))
    await writeFile(join(scratch, 'bin/systemctl'), SYSTEMCTL)
    await chmod(join(scratch, 'bin/systemctl'), 0o755)
    const environment = { KUBEADM, KUBELET, PATH: `${join(scratch, 'bin')}:${PATH}` }
    return new Peer(stdout.trim(), scratch, environment, controlPlane)
  }

  /** Puts the kubelet's configuration where kubeadm of this version looks for it: by 1.24 the name lost its version. */
  async configure(variant: PeerVariant): Promise<void> {
    const [, minor = '0'] = /^v1\.(\d+)/.exec(this.version) ?? []
    const name = Number(minor) < 24 ? `kubelet-config-1.${minor}` : 'kubelet-config'
    const kubelet = JSON.stringify({
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      authentication: { x509: { clientCAFile: '/etc/kubernetes/pki/ca.crt' } },
      cgroupDriver: 'cgroupfs',
      failSwapOn: false,
      rotateCertificates: true,
      ...(variant === 'with serverTLSBootstrap' ? { serverTLSBootstrap: true } : {}),
    })
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { kubelet } }
    const replaced = await this.#controlPlane.admin('PUT', `${CONFIG_MAPS}/${name}`, object)
    if (replaced.status === 200) return
    const { status, body } = await this.#controlPlane.admin('POST', CONFIG_MAPS, object)
    if (status !== 201) throw new Error(`${name} cannot be created: ${status} ${JSON.stringify(body)}`)
  }

  /** `onDone` is called as soon as both files are there, while everything still runs. */
  async join({ endpoint, caCertHash, token, nodeName }: PeerTarget, onDone: () => void): Promise<PeerJoin> {
    const directory = await mkdtemp(join(this.#scratch, 'peer-'))
    for (const name of ['etc/kubernetes', 'etc-work', 'lib/kubelet', 'lib-work'])
      await mkdir(join(directory, name), { recursive: true })
    const discovery = ['--token', token, '--discovery-token-ca-cert-hash', caCertHash]
    const script = ['bash', '-c', JOIN, 'join', endpoint, ...discovery, '--node-name', nodeName]
    const kubeadm = spawn('unshare', ['--mount', '--propagation', 'private', ...script], {
      env: { ...this.#environment, SCRATCH: directory },
      stdio: 'ignore',
    })
    const ended = once(kubeadm, 'exit')
    try {
      const doneMs = await writtenMs([
        join(directory, 'etc/kubernetes/kubelet.conf'),
        join(directory, 'lib/kubelet/pki/kubelet-client-current.pem'),
      ])
      onDone()
      return { ms: doneMs - Number(await readFile(join(directory, 'began'), 'utf8')) * 1000 }
    } finally {
      kubeadm.kill('SIGKILL')
      await ended
      await killKubelet(directory)
    }
  }
}

/** When the last of the files came to stand there, in ms since the epoch. */
async function writtenMs(paths: readonly string[]): Promise<number> {
  const deadlineMs = performance.now() + DEADLINE_MS
  for (;;) {
    const found = await Promise.all(paths.map((path) => lstat(path).catch(() => undefined)))
    const times = found.flatMap((stats) => stats?.ctimeMs ?? [])
    if (times.length === paths.length) return Math.max(...times)
    if (performance.now() > deadlineMs) throw new Error(`the peer has not written ${paths.join(' and ')}`)
    await delay(5)
  }
}

async function killKubelet(directory: string): Promise<void> {
  const pid = Number(await readFile(join(directory, 'kubelet.pid'), 'utf8'))
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Without a container runtime it may have ended by itself.
  }
}
