/** The three processes of a real control plane on loopback, their directory and their certificates: started, cut off, ended. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AdminClient } from './admin-client.ts'
import { createAuthority, createKey, issueLeaf, readPem, type CertificateFiles } from './certificates.ts'
import { Daemon, forgetDirectory, removeDirectoryAtExit } from './child-process.ts'
import type { ControlPlaneOptions } from './control-plane.ts'
import { eventually } from './eventually.ts'
import { freePorts } from './free-ports.ts'
import type { KubeAssets } from './kube-assets.ts'
import {
  apiServerFlags,
  controllerManagerFlags,
  controllerManagerKubeconfig,
  etcdFlags,
  type Ports,
} from './kube-flags.ts'

/** Generous, because a loaded build machine is no failure. */
const READY_DEADLINE_MS = 120_000
/** An API server waits for its clients' watches to end. At the end of the tests nobody needs that. */
const GRACE_MS = 2_000

const API_SERVER_NAMES =
  'IP:127.0.0.1,IP:::1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:api.lab.test'

export class KubeProcesses {
  readonly port: number
  readonly directory: string
  readonly authority: CertificateFiles
  readonly caPem: string
  /** Of the CA that may come to sign the API server's certificate. */
  readonly nextCaPem: string
  readonly admin: AdminClient
  readonly #setup: Setup
  #etcd: Daemon | undefined
  #apiServer: Daemon | undefined
  #controllerManager: Daemon | undefined

  private constructor(setup: Setup) {
    this.#setup = setup
    this.port = setup.ports.apiServer
    this.directory = setup.directory
    this.authority = setup.authority
    this.caPem = setup.caPem
    this.nextCaPem = setup.nextCaPem
    this.admin = new AdminClient({ port: this.port, caPem: this.trustedPem, identity: setup.adminIdentity })
  }

  /** Resolves when the API server is ready; the controllers are not started yet. */
  static async start(assets: KubeAssets, options: ControlPlaneOptions): Promise<KubeProcesses> {
    const processes = new KubeProcesses(await prepare(assets, options))
    try {
      processes.#etcd = await processes.#spawn('etcd', assets.etcd, etcdFlags(processes.#setup.ports))
      await processes.startApiServer()
      return processes
    } catch (error) {
      await processes.stop()
      throw error
    }
  }

  /** For the clients of this harness: whichever of the two signs, they know it. */
  get trustedPem(): string {
    return this.caPem + this.nextCaPem
  }

  /** The certificate that the API server will be started with. */
  async issueServing(by: 'first' | 'next'): Promise<void> {
    const { directory, authority, nextAuthority } = this.#setup
    await issueServing(directory, by === 'first' ? authority : nextAuthority)
  }

  /** Process ids of what runs now. */
  get pids(): number[] {
    return [this.#etcd, this.#apiServer, this.#controllerManager].flatMap((daemon) => daemon?.pid ?? [])
  }

  /** Rejects when one of the running processes ends by itself. */
  get died(): Promise<never> {
    const daemons = [this.#etcd, this.#apiServer, this.#controllerManager].flatMap((daemon) => daemon?.died ?? [])
    const first = Promise.race(daemons)
    first.catch(() => undefined)
    return first
  }

  async startApiServer(): Promise<void> {
    const { assets, options, ports } = this.#setup
    this.#apiServer = await this.#spawn('apiserver', assets.apiServer, apiServerFlags(ports, options))
    await eventually('the API server is ready', { deadlineMs: READY_DEADLINE_MS, hopeless: this.died }, async () => {
      const { status, body } = await this.admin.send('GET', '/readyz')
      // Its text names the checks that fail.
      if (status !== 200) throw new Error(`/readyz: ${status} ${String(body)}`)
      return status
    })
  }

  /**
   * As in a crash: no watch is ended in order, and all its state is in etcd. The controllers go before it: without it they
   * would only count up their delays, and be slow to see that it is back.
   */
  async stopApiServer(): Promise<void> {
    await this.#controllerManager?.stop(GRACE_MS)
    this.#controllerManager = undefined
    await this.#apiServer?.kill()
    this.#apiServer = undefined
  }

  /** Does nothing where there is no kube-controller-manager. */
  async startControllers(): Promise<void> {
    const { assets, controllerFlags } = this.#setup
    if (assets.controllerManager === undefined) return
    this.#controllerManager = await this.#spawn('kcm', assets.controllerManager, controllerFlags)
  }

  /** All at once: nothing of the state is kept. */
  async stop(): Promise<void> {
    this.admin.close()
    const daemons = [this.#controllerManager, this.#apiServer, this.#etcd]
    this.#controllerManager = this.#apiServer = this.#etcd = undefined
    await Promise.all(daemons.map(async (daemon) => daemon?.stop(GRACE_MS)))
    await rm(this.directory, { recursive: true, force: true })
    forgetDirectory(this.directory)
  }

  #spawn(name: string, command: string, args: readonly string[]): Promise<Daemon> {
    const logPath = join(this.directory, `${name}.log`)
    return Daemon.start({ name, command, args, workingDirectory: this.directory, logPath })
  }
}

interface Setup {
  assets: KubeAssets
  options: ControlPlaneOptions
  ports: Ports
  directory: string
  authority: CertificateFiles
  nextAuthority: CertificateFiles
  caPem: string
  nextCaPem: string
  adminIdentity: { certificate: string; key: string }
  controllerFlags: string[]
}

async function prepare(assets: KubeAssets, options: ControlPlaneOptions): Promise<Setup> {
  const directory = await mkdtemp(join(tmpdir(), 'node-bootstrap-kube-'))
  removeDirectoryAtExit(directory)
  const controllerManager = assets.controllerManager
  const [[apiServer = 0, etcdClient = 0, etcdPeer = 0], controllerFlags, credentials] = await Promise.all([
    freePorts(3),
    controllerManager === undefined ? [] : controllerManagerFlags(controllerManager, options),
    createCredentials(directory),
    createKey(join(directory, 'sa.key')),
  ])
  await writeFile(join(directory, 'kcm.conf'), controllerManagerKubeconfig(apiServer))
  return { assets, options, directory, controllerFlags, ports: { apiServer, etcdClient, etcdPeer }, ...credentials }
}

type Credentials = Pick<Setup, 'authority' | 'nextAuthority' | 'caPem' | 'nextCaPem' | 'adminIdentity'>

const issueServing = (directory: string, authority: CertificateFiles): Promise<CertificateFiles> =>
  issueLeaf(directory, authority, {
    name: 'apiserver',
    subject: '/CN=kube-apiserver',
    usage: 'serverAuth',
    subjectAltName: API_SERVER_NAMES,
  })

async function createCredentials(directory: string): Promise<Credentials> {
  const authority = await createAuthority(directory, 'ca', 'kubernetes')
  const nextAuthority = await createAuthority(directory, 'next-ca', 'kubernetes-next')
  const leaf = (name: string, subject: string) =>
    issueLeaf(directory, authority, { name, subject, usage: 'clientAuth' })
  const [adminIdentity, { certificate: caPem }, { certificate: nextCaPem }] = await Promise.all([
    leaf('admin', '/O=system:masters/CN=lab-admin').then(readPem),
    readPem(authority),
    readPem(nextAuthority),
    leaf('kcm', '/CN=system:kube-controller-manager'),
    issueServing(directory, authority),
  ])
  await writeFile(join(directory, 'trusted.crt'), caPem + nextCaPem)
  return { authority, nextAuthority, caPem, nextCaPem, adminIdentity }
}
