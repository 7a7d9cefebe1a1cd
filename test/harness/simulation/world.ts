/** A node, its clock and its control plane, in one process: a world that can be kept at any instant and gone on from there. */
import type { CertificateSigningRequest } from '../../../src/dev-cluster/certificate-signing-requests.ts'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import { startDevCluster, type DevCluster } from '../../../src/dev-cluster/dev-cluster.ts'
import type { StoredState } from '../../../src/dev-cluster/csr-store.ts'
import type { Random } from '../../../src/lib/ports.ts'
import { publishAuthorities } from '../published-authorities.ts'
import { JOIN_YAML, SimulatedAgent, turn } from './agent.ts'
import { SimulatedClock } from './clock.ts'
import { SimulatedDisk } from './disk.ts'
import type { OnInstant } from './effects.ts'
import { SimulatedNetwork } from './http.ts'

export const START_MS = Date.UTC(2026, 10, 24, 12)
export const DAY_MS = 86_400_000
export const NODE = 'worker-1'
const RUNTIME = '/run'

export const PATHS = {
  kubeconfig: '/etc/kubernetes/kubelet.conf',
  ca: '/etc/kubernetes/pki/ca.crt',
  certificates: '/var/lib/kubelet/pki',
  current: '/var/lib/kubelet/pki/kubelet-client-current.pem',
  state: '/var/lib/node-bootstrap',
  pendingRequest: '/var/lib/node-bootstrap/pending-request.pem',
} as const

/** In memory, and so empty after a boot. */
export const isVolatile = (path: string): boolean => path.startsWith(`${RUNTIME}/`)

/** How old requests become before they are collected: since they were decided, or since they were created. */
const FINISHED_REQUESTS_MS = DAY_MS / 24
const OPEN_REQUESTS_MS = DAY_MS

export type Verdict = 'approve' | 'deny' | 'leave'

/** What of a world survives a crash. */
export interface Kept {
  disk: SimulatedDisk
  nowMs: number
  requests: StoredState
  cluster: DevCluster
  other: { cluster: DevCluster; requests: StoredState }
}

export class World {
  /** The one that join.yaml is to lead to. */
  cluster: DevCluster
  /** Another one, with another CA and other tokens. */
  other: DevCluster
  token: string
  clock = new SimulatedClock(START_MS)
  disk = new SimulatedDisk(this.clock)
  /** What becomes of a request, as an approver would say. */
  judge: (csr: CertificateSigningRequest) => Verdict = () => 'approve'
  readonly network: SimulatedNetwork
  readonly random: Random
  /** The CA bundle in cluster-info, PEM. */
  publishedCaPem: string
  readonly #clusterClock: { skewMs: number }

  private constructor(clusters: [DevCluster, DevCluster], clusterClock: { skewMs: number }, random: Random) {
    const [cluster, other] = clusters
    this.cluster = cluster
    this.other = other
    this.#clusterClock = clusterClock
    this.random = random
    this.publishedCaPem = cluster.caPem
    this.token = cluster.createToken()
    this.network = new SimulatedNetwork(clusters, {
      nowMs: () => this.clock.nowMs() + clusterClock.skewMs,
      sleep: (ms, signal) => this.clock.sleep(ms, signal),
    })
  }

  /** `certificateDurationMs`: default a day. */
  static async create(random: Random = { fraction: () => 0.5 }, certificateDurationMs = DAY_MS): Promise<World> {
    const holder: { world?: World } = {}
    const clusterClock = { skewMs: 0 }
    const now = (): number => (holder.world?.clock.nowMs() ?? START_MS) + clusterClock.skewMs
    const start = async (commonName: string): Promise<DevCluster> => {
      const [notBeforeMs, notAfterMs] = [START_MS - 3650 * DAY_MS, START_MS + 3650 * DAY_MS]
      return await startDevCluster({
        approval: 'manual',
        certificateDurationMs,
        ca: createCertificateAuthority({ commonName, notBeforeMs, notAfterMs }),
        clock: {
          nowMs: now,
          sleep: (ms, signal) => holder.world?.clock.sleep(ms, signal) ?? Promise.resolve(),
        },
      })
    }
    const clusters: [DevCluster, DevCluster] = [await start('kubernetes'), await start('kubernetes-other')]
    // Their listeners are for those who come by TLS; while both are there, they have two ports.
    for (const cluster of clusters) await cluster.stop()
    const world = new World(clusters, clusterClock, random)
    holder.world = world
    return world
  }

  /** The node's wall clock is stepped, and the cluster's is not. */
  stepNodeClock(ms: number): void {
    this.clock.step(ms)
    this.#clusterClock.skewMs -= ms
  }

  /** The node's clock shows the cluster's time again. */
  setNodeClock(): void {
    this.stepNodeClock(this.#clusterClock.skewMs)
  }

  /** join.yaml as an operator writes it; `overrides` replace whole sections. */
  configure(overrides: Readonly<Record<string, unknown>> = {}): void {
    const { endpoint, caCertHash } = this.cluster
    const document = {
      apiVersion: 'node-bootstrap/v1',
      kind: 'JoinConfiguration',
      node: { name: NODE },
      discovery: { token: { endpoints: [endpoint], token: this.token, caCertHashes: [caCertHash] } },
      ...overrides,
    }
    this.disk.put(JOIN_YAML, JSON.stringify(document, undefined, 2))
  }

  /** From now on join.yaml is to lead to the other cluster. */
  changeClusters(): void {
    const { cluster, other } = this
    this.cluster = other
    this.other = cluster
    this.publishedCaPem = other.caPem
    this.token = other.createToken()
  }

  publish(caBundle: string): void {
    this.publishedCaPem = caBundle
    publishAuthorities(this.cluster, caBundle)
  }

  start(onInstant?: OnInstant): Promise<SimulatedAgent> {
    const { clock, disk, network, random } = this
    return SimulatedAgent.start({ clock, disk, network, random }, onInstant)
  }

  keep(): Kept {
    const { cluster, other } = this
    return {
      disk: this.disk.clone(),
      nowMs: this.clock.nowMs(),
      requests: cluster.save(),
      cluster,
      other: { cluster: other, requests: other.save() },
    }
  }

  /** As it was then, at `nowMs`; the agents of before must be dead. */
  restore({ disk, nowMs, requests, cluster, other }: Kept): void {
    this.clock = new SimulatedClock(nowMs)
    this.disk = disk.clone(this.clock)
    this.network.loseWhatIsOnItsWay()
    this.cluster = cluster
    this.cluster.restore(requests)
    this.other = other.cluster
    this.other.restore(other.requests)
  }

  /** Approver and signer do what there is to do. */
  async settleCluster(): Promise<void> {
    await turn()
    for (const cluster of [this.cluster, this.other])
      for (const csr of cluster.listCertificateSigningRequests()) this.#judge(cluster, csr)
    for (let turns = 0; turns < 3; turns += 1) await turn()
  }

  #judge(cluster: DevCluster, csr: CertificateSigningRequest): void {
    if (csr.status.conditions !== undefined || csr.status.certificate !== undefined) return
    const verdict = this.judge(csr)
    if (verdict === 'approve') cluster.approve(csr.metadata.name, { reason: 'AutoApproved' })
    if (verdict === 'deny') cluster.deny(csr.metadata.name)
  }

  deleteRequests(isMeant: (csr: CertificateSigningRequest) => boolean = () => true): void {
    for (const cluster of [this.cluster, this.other])
      for (const csr of cluster.listCertificateSigningRequests())
        if (isMeant(csr)) cluster.deleteCertificateSigningRequest(csr.metadata.name)
  }

  /** As kube-controller-manager does once an hour (pkg/controller/certificates/cleaner). */
  collectRequests(): void {
    const nowMs = this.network.clock.nowMs()
    this.deleteRequests(({ metadata, status }) => {
      const [condition] = status.conditions ?? []
      const isFinished = status.certificate !== undefined || (condition !== undefined && condition.type !== 'Approved')
      const ageMs = nowMs - Date.parse(condition?.lastUpdateTime ?? metadata.creationTimestamp)
      return ageMs > (isFinished ? FINISHED_REQUESTS_MS : OPEN_REQUESTS_MS)
    })
  }

  /** The agent and the cluster have nothing to do before time goes on. */
  async settle(agent: SimulatedAgent): Promise<void> {
    for (let before = -1; before !== agent.effects;) {
      before = agent.effects
      await agent.settle()
      await this.settleCluster()
    }
    await agent.settle()
  }

  /** Time goes on from sleeper to sleeper; no further where the agent dies. */
  async pass(agent: SimulatedAgent, ms: number): Promise<void> {
    const endMs = this.clock.monotonicMs() + ms
    await this.settle(agent)
    while (!agent.isDead && this.clock.monotonicMs() < endMs) {
      this.clock.pass(Math.min(this.clock.nextInMs ?? ms, endMs - this.clock.monotonicMs()))
      await this.settle(agent)
    }
  }

  /** Time goes on from sleeper to sleeper until `isDone`; throws where it is not within `limitMs`. */
  async runUntil(agent: SimulatedAgent, isDone: () => boolean, limitMs: number): Promise<void> {
    const endMs = this.clock.monotonicMs() + limitMs
    await this.settle(agent)
    while (!isDone()) {
      const ms = this.clock.nextInMs
      if (ms === undefined || this.clock.monotonicMs() + ms > endMs)
        throw new Error(
          `not within ${limitMs / 1000} s of the clock: ${JSON.stringify(agent.status)}\n${agent.lines.join('\n')}`,
        )
      this.clock.pass(ms)
      await this.settle(agent)
    }
  }
}
