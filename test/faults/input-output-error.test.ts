import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { AgentProcess } from '../harness/agent-process.ts'
import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { DEADLINE_MS, type JoiningNode } from '../harness/joining-node.ts'
import { problemsIn } from '../integration/bad-input/scene.ts'
import { Suite, terminate } from '../integration/behaviour-suite.ts'
import { assertWhole, JOINED, rejoin, renewal } from './episodes.ts'
import { FaultyFileSystem, fuseProblem, type Mode } from './faulty-file-system.ts'

/** Both file systems that the agent keeps something on; join.yaml and the status are elsewhere. */
class Disks implements AsyncDisposable {
  readonly #disks: readonly FaultyFileSystem[]

  private constructor(disks: readonly FaultyFileSystem[]) {
    this.#disks = disks
  }

  static async of({ directory }: JoiningNode): Promise<Disks> {
    const names = ['etc', 'var']
    return new Disks(
      await Promise.all(
        names.map((name) => FaultyFileSystem.mount(join(directory, name), join(directory, 'behind', name))),
      ),
    )
  }

  get failures(): string[] {
    return this.#disks.flatMap(({ failures }) => failures)
  }

  async fail(mode: Mode): Promise<void> {
    await Promise.all(this.#disks.map((disk) => disk.fail(mode)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const disk of this.#disks) await disk[Symbol.asyncDispose]()
  }
}

/** Tells the agent after each failure to wait no longer, until it has joined. */
async function hurry(agent: AgentProcess, from: number): Promise<void> {
  for (let next = from; ;) {
    const line = await agent.waitForLine(/"retryInSeconds"|"message":"joined"/, { from: next, timeoutMs: DEADLINE_MS })
    if (JOINED.test(line)) return
    next = agent.lines.indexOf(line, next) + 1
    agent.kill('SIGHUP')
  }
}

const skipped = fuseProblem === undefined ? '' : ` (skipped: ${fuseProblem})`

;(fuseProblem === undefined ? describe : describe.skip)(`a disk that fails with EIO${skipped}`, () => {
  const suite = new Suite(startEmbeddedControlPlane, {})

  it('at each operation on each file once stops no join, no renewal and no join after a loss', async () => {
    const node = await suite.node()
    await using disks = await Disks.of(node)
    await disks.fail('each')
    const agent = node.start()
    await hurry(agent, 0)
    // Its files failed too; until it is held, `renew` would not see this agent.
    await agent.waitForLine(/the state directory is locked/, { timeoutMs: DEADLINE_MS })
    await disks.fail('none')
    await node.joined(agent)
    await assertWhole(node, 1)
    for (const [index, episode] of [renewal, rejoin].entries()) {
      const from = agent.lines.length
      await episode(node, agent, () => disks.fail('each'))
      await hurry(agent, from)
      await disks.fail('none')
      await node.joined(agent)
      await assertWhole(node, index + 2)
    }
    // So many are there today; fewer would mean that the faults are no longer seen.
    assert.ok(disks.failures.length >= 100, disks.failures.join('\n'))
    assert.deepEqual([...new Set(problemsIn(agent.lines).map(({ code }) => code))], ['storage-failed'])
    await terminate(agent)
  }).timeout(3 * DEADLINE_MS)
})
