import assert from 'node:assert/strict'
import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { eventually } from '../harness/eventually.ts'
import { DEADLINE_MS } from '../harness/joining-node.ts'
import { assertPaced } from '../integration/bad-input/scene.ts'
import { Suite } from '../integration/behaviour-suite.ts'

/** Long enough to be renewed on a slow machine, short enough to be waited out. */
const LIFETIME_MS = 8000

describe('a process that is stopped for longer than its certificate lives', () => {
  const suite = new Suite(startEmbeddedControlPlane, { certificateDurationMs: LIFETIME_MS })

  it('joins again with the bootstrap credential when it goes on, by one request', async () => {
    const node = await suite.node()
    const agent = node.start()
    await node.joined(agent)
    agent.kill('SIGSTOP')
    const before = await node.requests()
    const { certificate } = await node.current()
    await eventually('it has lapsed', { deadlineMs: DEADLINE_MS }, () =>
      Promise.resolve(Date.now() > certificate.validToDate.getTime() || undefined),
    )
    const from = agent.lines.length
    agent.kill('SIGCONT')
    await agent.waitForLine(/"message":"the certificate is installed"/, { from, timeoutMs: DEADLINE_MS })
    const [rejoined] = (await node.requests()).slice(before.length)
    assert.match(rejoined?.spec.username ?? '', /^system:bootstrap:/)
    assert.notEqual((await node.current()).certificate.serialNumber, certificate.serialNumber)
    await node.joined(agent)
    assertPaced(agent.lines)
  })
})
