import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { AgentProcess } from '../harness/agent-process.ts'
import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { DEADLINE_MS, type JoiningNode } from '../harness/joining-node.ts'
import { assertPaced, problemsIn } from '../integration/bad-input/scene.ts'
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

/** All that it keeps is out of reach for a while, in the middle of a renewal: it says so, and goes on as if nothing had been. */
async function failThroughout(node: JoiningNode, agent: AgentProcess, disks: Disks): Promise<void> {
  let from = agent.lines.length
  await renewal(node, agent, () => disks.fail('all'))
  for (let failed = 0; failed < 2; failed += 1) {
    const line = await agent.waitForLine(/"code":"storage-failed"/, { from, timeoutMs: DEADLINE_MS })
    from = agent.lines.indexOf(line, from) + 1
  }
  const { state } = await node.statusWhere(agent, 'a problem', ({ problem }) => problem?.code === 'storage-failed')
  assert.notEqual(state, 'healthy')
  await disks.fail('none')
  agent.kill('SIGHUP')
  await agent.waitForLine(JOINED, { from, timeoutMs: DEADLINE_MS })
  await node.joined(agent)
}

const skipped = fuseProblem === undefined ? '' : ` (skipped: ${fuseProblem})`

;(fuseProblem === undefined ? describe : describe.skip)(`a disk that fails with EIO${skipped}`, () => {
  const suite = new Suite(startEmbeddedControlPlane, {})

  it('at each operation on each file once, and at all of them for a while, stops no join, no renewal and no join after a loss', async () => {
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
    await failThroughout(node, agent, disks)
    await assertWhole(node, 4)
    // So many are there today; fewer would mean that the faults are no longer seen.
    assert.ok(disks.failures.length >= 100, disks.failures.join('\n'))
    const problems = problemsIn(agent.lines)
    assert.deepEqual([...new Set(problems.map(({ code }) => code))], ['storage-failed'])
    assert.ok(problems.length <= disks.failures.length, 'it fails more often than its disks do')
    assertPaced(agent.lines)
    await terminate(agent)
  }).timeout(3 * DEADLINE_MS)
})
