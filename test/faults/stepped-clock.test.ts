import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { clockProblem, withClockOf } from '../harness/faketime.ts'
import { assertPaced } from '../integration/bad-input/scene.ts'
import { Suite, terminate } from '../integration/behaviour-suite.ts'

const skipped = clockProblem === undefined ? '' : ` (skipped: ${clockProblem})`

;(clockProblem === undefined ? describe : describe.skip)(
  `a wall clock that is stepped under the agent${skipped}`,
  () => {
    const suite = new Suite(startEmbeddedControlPlane, { certificateDurationMs: 3_600_000 })

    const steps = [
      { name: 'back to before the certificate begins', offset: '-1h', requests: 1 },
      { name: 'forward beyond its end', offset: '+2h', requests: 2 },
    ]
    for (const { name, offset, requests } of steps)
      it(`${name}, is told as a skewed clock, and set right again costs nothing`, async () => {
        const node = await suite.node()
        const clock = join(node.directory, 'clock')
        await writeFile(clock, '+0')
        Object.assign(node.environment, withClockOf(clock))
        const agent = node.start()
        await node.joined(agent)
        const { pem } = await node.current()

        await writeFile(clock, offset)
        // It looks at the clock once a minute by itself; asked to, at once.
        agent.kill('SIGHUP')
        const { state } = await node.statusWhere(agent, 'skewed', ({ problem }) => problem?.code === 'clock-skewed')
        assert.notEqual(state, 'healthy')
        assert.equal((await node.current()).pem, pem)

        await writeFile(clock, '+0')
        agent.kill('SIGHUP')
        await node.joined(agent)
        assert.equal((await node.current()).pem, pem)
        assert.equal(await node.askForOwnNode(), 404)
        assert.equal((await node.requests()).length, requests)
        assertPaced(agent.lines)
        await terminate(agent)
      })
  },
)
