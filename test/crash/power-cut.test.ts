import assert from 'node:assert/strict'
import { dirname } from 'node:path/posix'
import { tellFigures } from '../harness/figures.ts'
import type { SimulatedDisk } from '../harness/simulation/disk.ts'
import type { Instant } from '../harness/simulation/effects.ts'
import { powerCuts } from '../harness/simulation/power-cut.ts'
import { isVolatile, PATHS, World, type Kept } from '../harness/simulation/world.ts'
import {
  checkBundle,
  checkIdentity,
  checkLog,
  checkNothingLeftOver,
  checkRequests,
  checkSecrets,
  exposedKeys,
  hasAuthority,
  hasLoadablePair,
} from './invariants.ts'
import { scenarios, type Scenario } from './scenarios.ts'

const LIMIT_MS = 30 * 60_000
/** From the power's return to the agent's start. */
const BOOT_MS = 20_000

/** What must be there from now on: it was there before, or the first one is installed durably. */
interface Promised {
  /** A current pair that can be loaded. */
  pair: boolean
  /** A ca.crt that vouches for the server. */
  authority: boolean
  /** Keys that others could read when it began: in no other file may they ever. */
  exposed: ReadonlySet<string>
}

interface Recorded {
  instant: Instant
  kept: Kept
  promised: Promised
  /** Every content that was whole on the disk so far, under any name. */
  whole: ReadonlySet<string>
}

const nameOf = ({ phase, number, effect }: Instant): string => `${phase} effect ${number}, ${effect}`

describe('the power fails at any instant of', function () {
  this.timeout(600_000)
  let world: World
  let bare: Kept
  const totals = { effects: 0, instants: 0, cuts: 0, recoveries: 0 }
  before(async () => {
    world = await World.create()
    bare = world.keep()
  })
  after(() => {
    const { effects, instants, cuts, recoveries } = totals
    tellFigures(
      `${effects} effects, ${instants} instants, ${cuts} disks after a power cut, ${recoveries} different ones recovered`,
    )
  })

  async function prepared({ overrides, beforeJoin, afterJoin }: Scenario): Promise<Kept> {
    world.restore(bare)
    world.publish(world.cluster.caPem)
    world.configure(overrides)
    beforeJoin?.(world)
    if (afterJoin === undefined) return world.keep()
    const agent = await world.start()
    await world.runUntil(agent, () => agent.isAtRest, LIMIT_MS)
    await afterJoin(world, agent)
    agent.kill()
    return world.keep()
  }

  /** One run without a crash, with the world as it is at each instant. */
  async function record(from: Kept): Promise<Recorded[]> {
    world.restore(from)
    const recorded: Recorded[] = []
    const whole = new Set<string>()
    let promised: Promised = { ...found(), exposed: exposedKeys(world.disk) }
    const agent = await world.start(async (instant) => {
      await world.settleCluster()
      collectWhole(world.disk, whole)
      promised = promisedAfter(instant, promised)
      checkInstant(world.disk, promised)
      recorded.push({ instant, kept: world.keep(), promised, whole: new Set(whole) })
    })
    await world.runUntil(agent, () => agent.isAtRest, LIMIT_MS)
    await agent.stop()
    totals.effects += agent.effects
    return recorded
  }

  const found = (): Pick<Promised, 'pair' | 'authority'> => ({
    pair: hasLoadablePair(world.disk),
    authority: hasAuthority(world.disk.text(PATHS.ca), world.cluster.caPem),
  })

  function promisedAfter({ phase, effect }: Pick<Instant, 'phase' | 'effect'>, before: Promised): Promised {
    if (phase !== 'after') return before
    const { pair, authority } = found()
    return {
      ...before,
      pair: before.pair || (effect === `sync ${PATHS.certificates}` && pair),
      authority: before.authority || (effect === `sync ${dirname(PATHS.ca)}` && authority),
    }
  }

  function checkInstant(disk: SimulatedDisk, promised: Promised): void {
    checkSecrets(disk, world.token, promised.exposed)
    if (promised.pair) assert.ok(hasLoadablePair(disk), 'the current pair cannot be loaded')
    if (promised.authority)
      assert.ok(hasAuthority(disk.text(PATHS.ca), world.cluster.caPem), 'ca.crt does not vouch for the server')
  }

  async function recover(scenario: Scenario, from: Kept, cut: SimulatedDisk, point: Recorded): Promise<void> {
    checkInstant(cut, point.promised)
    for (const [path, node] of cut.leaves())
      if (node.kind === 'file' && !path.endsWith('/.node-bootstrap-new'))
        assert.ok(point.whole.has(contentOf(node)), `${path} is torn`)
    world.restore({ ...point.kept, disk: cut, nowMs: point.kept.nowMs + BOOT_MS })
    let { promised } = point
    const agent = await world.start(async (instant) => {
      await Promise.resolve()
      promised = promisedAfter(instant, promised)
      checkInstant(world.disk, promised)
    })
    await world.runUntil(agent, () => agent.isAtRest, LIMIT_MS)
    await agent.stop()
    checkIdentity(world.disk, world.cluster.caPem, world.clock.nowMs())
    checkBundle(world.disk.text(PATHS.ca), world.publishedCaPem)
    checkSecrets(world.disk, world.token)
    checkNothingLeftOver(world.disk, scenario.alsoKept)
    checkLog(agent, world.token)
    const requests = world.cluster.listCertificateSigningRequests()
    checkRequests(requests)
    assert.equal(requests.length - from.requests.objects.size, scenario.requests, 'another number of requests was made')
  }

  for (const scenario of scenarios)
    it(`${scenario.name}, and it goes on from there`, async () => {
      const from = await prepared(scenario)
      const done = new Set<string>()
      for (const point of await record(from)) {
        totals.instants += 1
        for (const [content, cut] of powerCuts(point.kept.disk, isVolatile)) {
          totals.cuts += 1
          const state = `${Object.values(point.promised).join()} ${point.kept.requests.resourceVersion}\n${content}`
          if (done.has(state)) continue
          done.add(state)
          totals.recoveries += 1
          await recover(scenario, from, cut, point).catch((cause: unknown) => {
            const why = cause instanceof Error ? cause.message : String(cause)
            throw new Error(`the power failed ${nameOf(point.instant)}: ${why}`, { cause })
          })
        }
      }
    })
})

const contentOf = ({ content }: { content: Uint8Array }): string => Buffer.from(content).toString('latin1')

function collectWhole(disk: SimulatedDisk, whole: Set<string>): void {
  for (const [, node] of disk.leaves()) if (node.kind === 'file' && node.isSynced) whole.add(contentOf(node))
}
