/** Finds the binaries of a real control plane on this machine, or says why there are none. */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const repository = join(import.meta.dirname, '../..')

export interface KubeAssets {
  etcd: string
  apiServer: string
  /** setup-envtest brings none. */
  controllerManager: string | undefined
  /** Without a leading v. */
  version: string
}

export type RealControlPlaneAvailability =
  { available: true; version: string; hasControllerManager: boolean } | { available: false; reason: string }

type Found = { assets: KubeAssets } | { reason: string }

let found: Promise<Found> | undefined

/** Looks once for the process. KUBEBUILDER_ASSETS wins; else a `kube/assets` script beside the checkout unpacks its own. */
export function findKubeAssets(): Promise<Found> {
  found ??= look()
  return found
}

/** For suites: what runs here, or the reason to skip with. */
export async function realControlPlaneAvailability(): Promise<RealControlPlaneAvailability> {
  const answer = await findKubeAssets()
  if ('reason' in answer) return { available: false, reason: answer.reason }
  const { version, controllerManager } = answer.assets
  return { available: true, version, hasControllerManager: controllerManager !== undefined }
}

/** Why no real control plane here approves and signs as well; undefined where one does. */
export async function realSignerProblem(): Promise<string | undefined> {
  const answer = await realControlPlaneAvailability()
  if (!answer.available) return answer.reason
  return answer.hasControllerManager ? undefined : 'there is no kube-controller-manager'
}

async function look(): Promise<Found> {
  const directory = await assetsDirectory()
  if ('reason' in directory) return directory
  const path = async (name: string) =>
    (await isExecutable(join(directory.path, name))) ? join(directory.path, name) : undefined
  const [etcd, apiServer, controllerManager] = await Promise.all(
    ['etcd', 'kube-apiserver', 'kube-controller-manager'].map(path),
  )
  if (etcd === undefined || apiServer === undefined) {
    return { reason: `no ${etcd === undefined ? 'etcd' : 'kube-apiserver'} in ${directory.path}` }
  }
  try {
    const { stdout } = await run(apiServer, ['--version'])
    return { assets: { etcd, apiServer, controllerManager, version: stdout.trim().replace(/^Kubernetes v/, '') } }
  } catch (error) {
    return { reason: `${apiServer} does not run here: ${String(error)}` }
  }
}

async function assetsDirectory(): Promise<{ path: string } | { reason: string }> {
  const named = process.env['KUBEBUILDER_ASSETS']
  if (named !== undefined && named !== '') return { path: named }
  const script = join(process.env['NODE_BOOTSTRAP_KUBE_DIR'] ?? join(repository, '../shared/kube'), 'assets')
  if (!(await isExecutable(script)))
    return { reason: 'KUBEBUILDER_ASSETS is not set (setup-envtest use -p path prints one)' }
  try {
    const { stdout } = await run(script, [join(repository, '.cache/kube')])
    return { path: stdout.trim() }
  } catch (error) {
    return { reason: `${script} failed: ${String(error)}` }
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
