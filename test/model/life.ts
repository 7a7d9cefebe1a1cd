/** A node's life in the model: an agent that may die at any effect and is started again, in a world that goes wrong and comes right. */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { CLIENT, pairPlace } from '../../src/agent/certificate-kind.ts'
import { takeInventory } from '../../src/agent/inventory.ts'
import { ConfigurationSource } from '../../src/compose/configuration-source.ts'
import { installPair } from '../../src/store/certificate-pair.ts'
import { removeDurably } from '../../src/store/durable-file.ts'
import { powerCuts } from '../harness/simulation/power-cut.ts'
import { JOIN_YAML, type SimulatedAgent } from '../harness/simulation/agent.ts'
import type { SimulatedDisk } from '../harness/simulation/disk.ts'
import { DAY_MS, isVolatile, NODE, PATHS, type Kept, type Verdict, type World } from '../harness/simulation/world.ts'
import {
  checkIdentity,
  checkLog,
  checkNothingLeftOver,
  checkRequests,
  checkSecrets,
  hasAuthority,
  hasLoadablePair,
  isSignedBy,
  openRequests,
} from '../crash/invariants.ts'

const RESTART_MS = 20_000
const MINUTE_MS = 60_000
/** In which an attempt is over, and the wall clock looked at once. */
const ATTEMPT_MS = MINUTE_MS
/** Neither a refusal nor a spent budget of keys is waited out for longer. */
const LONGEST_REST_MS = 60 * MINUTE_MS

/** What is announced over and over comes right by nothing. */
const MOST_ATTEMPTS = 100

/**
 * A key that was made while a clock was wrong is under way, or refused, beside a certificate that is good after all. Nobody
 * can take its request back: the next renewal goes on with it.
 */
const UNDER_WAY = /\/(pending-request\.pem|refusal\.json)$/

/** What was kept for the kubelet's server stays there where join.yaml asks for it no longer. */
const OF_SERVING = /\/(kubelet-server-[\w.-]+\.pem|serving\/[\w-]+\.(json|pem))$/

/** Not that a certificate had lapsed before it was fetched: that is news of what had gone wrong before. */
const isFailure = (line: string): boolean =>
  line.includes('"retryInSeconds":') && !line.includes('"certificate-lapsed"')

/** A death that is to come: after so many instants, by the loss of the power or of the process alone. */
export interface Fuse {
  instants: number
  /** Which of the disks that a cut may leave; undefined kills the process alone. */
  cut: number | undefined
}

export class Life {
  readonly world: World
  sections: Record<string, unknown> = {}
  isTokenGood = true
  #agent: SimulatedAgent | undefined
  #fuse: Fuse | undefined
  /** What happens in the middle of whatever the agent does. */
  #sudden: { instants: number; happen: () => void } | undefined
  #left: SimulatedDisk | undefined
  /** Open requests whose key a person has damaged. */
  readonly #lost = new Set<string>()
  #isPairPromised = false
  /** The CA, PEM, of the cluster that the node must not leave: join.yaml leads elsewhere by mistake. */
  #homeCaPem: string | undefined
  #violation: Error | undefined

  constructor(world: World, bare: Kept) {
    this.world = world
    world.restore(bare)
    this.makeGood()
    world.token = world.cluster.createToken()
    world.configure()
  }

  get agent(): SimulatedAgent {
    if (this.#agent === undefined) throw new Error('no agent has been started')
    return this.#agent
  }

  async start(): Promise<void> {
    this.#agent = await this.world.start((instant) => this.#live(instant.phase, instant.effect))
    await this.rest()
  }

  light(fuse: Fuse): void {
    this.#fuse = fuse
  }

  suddenly(instants: number, happen: () => void): void {
    this.#sudden = { instants, happen }
  }

  judge(verdict: Verdict): void {
    this.world.judge = () => verdict
  }

  /** A person damages what the agent has promised. */
  damage(path: string, content: string | undefined): void {
    this.#isPairPromised = false
    this.#homeCaPem = undefined
    if (path === PATHS.pendingRequest) this.#loseRequests()
    if (content === undefined) this.world.disk.take(path)
    else this.world.disk.put(path, content)
  }

  /** `node-bootstrap reset --yes` while no agent runs, and a start; with --kubelet-files or without. */
  async reset(includeKubeletFiles: boolean): Promise<void> {
    const { disk } = this.world
    this.agent.kill()
    this.#loseRequests()
    this.#homeCaPem = undefined
    if (includeKubeletFiles) this.#isPairPromised = false
    const { configuration } = await ConfigurationSource.open(disk, JOIN_YAML)
    for (const { path, isKept } of await takeInventory(disk, configuration, includeKubeletFiles))
      if (!isKept) await removeDurably(disk, path)
    await this.rest()
  }

  /** As the kubelet does where join.yaml leaves that to it, with a certificate that is valid, and room on the disk. */
  async renewAsKubelet(): Promise<void> {
    const { disk, cluster, network } = this.world
    const { configuration } = await ConfigurationSource.open(disk, JOIN_YAML)
    const isItsOwn = configuration.certificate.rotation.owner === 'kubelet'
    // Another cluster's signer has nothing to do with it.
    const isAtHome = hasAuthority(disk.text(PATHS.ca), cluster.caPem)
    const isValid = Date.parse(this.agent.status?.certificate?.notAfter ?? '') > network.clock.nowMs()
    if (!isItsOwn || !isAtHome || !isValid || disk.tree.isFull) return
    const issued = cluster.ca.issue({
      commonName: `system:node:${NODE}`,
      organizations: ['system:nodes'],
      extendedKeyUsages: ['clientAuth'],
      notBeforeMs: network.clock.nowMs() - 5 * MINUTE_MS,
      notAfterMs: network.clock.nowMs() + DAY_MS,
    })
    const place = pairPlace(configuration.files, CLIENT)
    await installPair(disk, place, issued.certificatePem, createPrivateKey(issued.privateKeyPem), network.clock.nowMs())
  }

  #loseRequests(): void {
    this.world.network.loseWhatIsOnItsWay()
    for (const cluster of [this.world.cluster, this.world.other])
      for (const name of openRequests(cluster.listCertificateSigningRequests())) this.#lost.add(name)
  }

  /** All that happens before time goes on: also a death, and the start after it. */
  async rest(): Promise<void> {
    await this.pass(0)
  }

  async pass(ms: number): Promise<void> {
    await this.world.pass(this.agent, ms)
    if (this.#violation !== undefined) throw this.#violation
    for (const cluster of [this.world.cluster, this.world.other])
      checkRequests(cluster.listCertificateSigningRequests(), this.#lost)
    if (!this.agent.isDead) return
    const { clock } = this.world
    this.world.disk = this.#left ?? this.world.disk
    this.#left = undefined
    clock.pass(RESTART_MS)
    await this.start()
  }

  /** Requests that were on their way are created now, whoever sent them. */
  async letArrive(): Promise<void> {
    await this.world.network.letArrive()
    await this.rest()
  }

  makeGood(): void {
    this.world.network.reachability = 'reachable'
    this.world.disk.tree.isFull = false
    this.judge('approve')
    this.world.setNodeClock()
    this.#fuse = undefined
    this.#sudden = undefined
  }

  /**
   * join.yaml leads to the other cluster. Where that is meant, what is open in the one before is nobody's any more; else the
   * node stays where it is.
   */
  async changeClusters(isMeant: boolean): Promise<void> {
    const { world } = this
    if (isMeant) {
      this.#loseRequests()
      this.#homeCaPem = undefined
    } else if (isSignedBy(world.disk, world.cluster.caPem)) this.#homeCaPem ??= world.cluster.caPem
    world.changeClusters()
    this.isTokenGood = true
    await this.edit({ recovery: { rejoin: isMeant ? 'any' : 'same-cluster' } })
  }

  async renewToken(): Promise<void> {
    this.world.token = this.world.cluster.createToken()
    this.isTokenGood = true
    await this.edit({})
  }

  /** join.yaml is edited, and the agent is told. */
  async edit(sections: Record<string, unknown>): Promise<void> {
    this.sections = { ...this.sections, ...sections }
    this.world.configure(this.sections)
    await this.agent.reload()
  }

  /** The world is good again, and so is the node, no later than it has announced. */
  async comeRight(): Promise<void> {
    this.makeGood()
    await this.letArrive()
    const { world, agent } = this
    const waitsForPerson = (): boolean => {
      const { state, problem } = agent.status ?? {}
      return state === 'failed' || (problem?.code === 'csr-denied' && problem.nextAttemptAt === undefined)
    }
    if (!this.isTokenGood) await this.renewToken()
    await this.#correctCluster()
    if (JSON.stringify(this.sections).includes('"kubelet"')) await this.edit({ certificate: {} })
    const before = agent.lines.length
    await this.#asAnnounced(() => agent.isAtRest || waitsForPerson())
    if (waitsForPerson()) await agent.reload()
    await this.#asAnnounced(() => agent.isAtRest)
    // What was under way when the world came right.
    const failures = agent.lines.slice(before).filter(isFailure)
    assert.ok(failures.length <= 1, `${failures.length} failures in a good world\n${agent.lines.join('\n')}`)
    this.#checkWell(UNDER_WAY)
    if (this.#isUnderWay) await this.#renew()
    this.#checkWell(undefined)
    checkLog(agent, world.token)
    await agent.stop()
  }

  /** A mistake is corrected by the way back; where nobody knows any more which cluster was meant, by the operator's word. */
  async #correctCluster(): Promise<void> {
    const { caPem } = this.world.cluster
    if (this.#homeCaPem === undefined) await this.edit({ recovery: { rejoin: 'any' } })
    else if (this.#homeCaPem !== caPem) await this.changeClusters(false)
  }

  /** By the next attempt, and the time that an attempt takes; one that fails announces another. */
  async #asAnnounced(isDone: () => boolean): Promise<void> {
    const { world, agent } = this
    let attempts = 0
    for (let failures = -1; failures !== agent.failures;) {
      failures = agent.failures
      attempts += 1
      assert.ok(attempts < MOST_ATTEMPTS, `it fails on and on\n${agent.lines.join('\n')}`)
      const waitMs = Math.max(agent.nextAttemptMs - world.clock.monotonicMs(), this.#restMs, 0)
      await world.runUntil(agent, () => isDone() || agent.failures !== failures, waitMs + ATTEMPT_MS)
    }
  }

  /** Until a rest ends that is no failure of its own: the status alone announces that, by the wall clock. */
  get #restMs(): number {
    const { nextAttemptAt } = this.agent.status?.problem ?? {}
    const ms = nextAttemptAt === undefined ? 0 : Date.parse(nextAttemptAt) - this.world.clock.nowMs()
    return Math.min(ms, LONGEST_REST_MS)
  }

  get #isUnderWay(): boolean {
    return [...this.world.disk.leaves()].some(([path]) => UNDER_WAY.test(path))
  }

  /** The next renewal, in its time, is the end of all that was under way. */
  async #renew(): Promise<void> {
    const { world, agent } = this
    const { renewAt, fingerprint } = agent.status?.certificate ?? {}
    world.clock.step(Date.parse(renewAt ?? '') - world.clock.nowMs())
    await world.pass(agent, MINUTE_MS)
    await this.#asAnnounced(() => agent.isAtRest && agent.status?.certificate?.fingerprint !== fingerprint)
  }

  #checkWell(alsoKept: RegExp | undefined): void {
    if (this.#violation !== undefined) throw this.#violation
    const { disk, cluster, clock } = this.world
    checkIdentity(disk, cluster.caPem, clock.nowMs())
    checkNothingLeftOver(disk, OF_SERVING, alsoKept)
  }

  async #live(phase: string, effect: string): Promise<void> {
    await Promise.resolve()
    const { disk, token } = this.world
    try {
      checkSecrets(disk, token)
      if (this.#homeCaPem !== undefined && hasLoadablePair(disk))
        assert.ok(isSignedBy(disk, this.#homeCaPem), `another cluster's pair ${phase} ${effect}`)
      if (this.#isPairPromised) assert.ok(hasLoadablePair(disk), `no loadable pair ${phase} ${effect}`)
      if (phase === 'after' && effect === `sync ${PATHS.certificates}`) this.#isPairPromised ||= hasLoadablePair(disk)
    } catch (thrown) {
      this.#violation ??= thrown as Error
    }
    if (this.#sudden?.instants === 0) {
      this.#sudden.happen()
      this.#sudden = undefined
    } else if (this.#sudden !== undefined) this.#sudden.instants -= 1
    if (this.#fuse === undefined) return
    if (this.#fuse.instants > 0) this.#fuse.instants -= 1
    else await this.#die(this.#fuse)
  }

  async #die({ cut }: Fuse): Promise<never> {
    this.#fuse = undefined
    if (cut !== undefined) {
      this.#left = this.#afterCut(cut)
      this.world.clock.reboot()
    }
    this.agent.kill()
    return await new Promise(() => undefined)
  }

  #afterCut(number: number): SimulatedDisk {
    let last: SimulatedDisk | undefined
    let left = number
    for (const [, disk] of powerCuts(this.world.disk, isVolatile)) {
      last = disk
      if (left === 0) break
      left -= 1
    }
    return last ?? this.world.disk
  }
}
