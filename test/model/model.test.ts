import assert from 'node:assert/strict'
import fc from 'fast-check'
import { openRequests } from '../crash/invariants.ts'
import { tellFigures } from '../harness/figures.ts'
import { newSeed, seededRandom } from '../harness/seeded-random.ts'
import { DAY_MS, World, type Kept } from '../harness/simulation/world.ts'
import { commands } from './commands.ts'
import { Life } from './life.ts'

const SEQUENCES = Number(process.env['MODEL_SEQUENCES'] ?? 200)
const SEED = Number(process.env['MODEL_SEED'] ?? newSeed())
const MOST_COMMANDS = 10

const OTHER_KEY = { certificate: { keyAlgorithm: 'ECDSA-P384' } }
const edit = (life: Life): Promise<void> => life.edit(OTHER_KEY)
const silence = (life: Life): Promise<void> => life.pass(10_000)
const killAndEdit = async (life: Life): Promise<void> => {
  life.agent.kill()
  life.world.configure(OTHER_KEY)
  await life.rest()
}

describe('whatever happens to a node', function () {
  this.timeout(1_800_000)
  let world: World
  let bare: Kept
  let random = seededRandom(SEED)
  before(async () => {
    // The loop's jitter: the same for each sequence, so that one can be run again by itself.
    world = await World.create({ fraction: () => random.fraction() })
    bare = world.keep()
  })

  it('it asks anew what time it is, when a certificate has lapsed while its clock was wrong', async () => {
    const life = new Life(world, bare)
    await life.start()
    world.stepNodeClock(40 * DAY_MS)
    await life.pass(60_000)
    world.clock.step(2 * DAY_MS)
    await life.pass(60_000)
    await life.comeRight()
  })

  for (const [meanwhile, sequence] of [
    ['an edit', [edit]],
    ['a death and an edit', [killAndEdit]],
    ['its silence, and an edit', [silence, edit]],
  ] as const)
    it(`it has one open request, where one that was on its way arrives after ${meanwhile}`, async () => {
      const life = new Life(world, bare)
      life.judge('leave')
      world.network.reachability = 'slow'
      await life.start()
      for (const each of sequence) await each(life)
      await life.pass(3_000)
      await life.letArrive()
      await life.pass(5 * 60_000)
      assert.equal(openRequests(world.cluster.listCertificateSigningRequests()).length, 1)
      await life.comeRight()
    })

  it(`it is joined within one backoff once the world is good again, in ${SEQUENCES} sequences (MODEL_SEED=${SEED})`, async () => {
    let steps = 0
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: MOST_COMMANDS, size: 'max' }), async (sequence) => {
        random = seededRandom(SEED)
        const life = new Life(world, bare)
        await life.start()
        await fc.asyncModelRun(() => ({ model: {}, real: life }), sequence)
        await life.comeRight()
        steps += [...sequence].length
      }),
      { seed: SEED, numRuns: SEQUENCES, endOnFailure: process.env['MODEL_SHRINK'] === undefined },
    )
    tellFigures(`${SEQUENCES} sequences, ${steps} steps (MODEL_SEED=${SEED})`)
  })
})
