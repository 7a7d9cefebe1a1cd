import assert from 'node:assert/strict'
import { existsSync, readFileSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { EXIT } from '../../src/lib/error-codes.ts'
import type { AgentProcess } from '../harness/agent-process.ts'
import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { eventually } from '../harness/eventually.ts'
import { DEADLINE_MS, type JoiningNode } from '../harness/joining-node.ts'
import { Suite, terminate } from '../integration/behaviour-suite.ts'
import { assertWhole, JOINED, renewal } from './episodes.ts'
import { mountProblem, ScarceDisk } from './scarce-disk.ts'

const FULL = /"the status cannot be written: [^"]*".*"code":"storage-full"/

const toldAgain = (agent: AgentProcess, from: number): Promise<string> =>
  agent.waitForLine(/"message":"the status is written again"/, { from, timeoutMs: DEADLINE_MS })

/** The metrics say that the node is healthy. */
const healthyIn = (textfile: string): Promise<true> =>
  eventually(`healthy in ${textfile}`, { deadlineMs: DEADLINE_MS }, () =>
    Promise.resolve(readFileSync(textfile, 'utf8').includes('{state="healthy"} 1') ? true : undefined),
  )

const textfileOf = (node: JoiningNode): string => join(node.directory, 'metrics/node.prom')

const skipped = mountProblem === undefined ? '' : ` (skipped: ${mountProblem})`

;(mountProblem === undefined ? describe : describe.skip)(`a disk on which the status does not fit${skipped}`, () => {
  const suite = new Suite(startEmbeddedControlPlane, {})

  it('files.runtime, from the start: the node joins, and the code, the metrics and `status` say so; what is missing comes by itself', async () => {
    const node = await suite.node()
    const textfile = textfileOf(node)
    await node.configure({ metrics: { textfile } })
    using disk = new ScarceDisk(node.files.runtime)
    disk.leave(0, 'inodes')
    const agent = node.start()
    await agent.waitForLine(FULL, { timeoutMs: DEADLINE_MS })
    await agent.waitForLine(JOINED, { timeoutMs: DEADLINE_MS })
    await healthyIn(textfile)
    await assertWhole(node, 1)
    const { code, agent: told } = await node.command('status')
    assert.equal(code, EXIT.unavailable)
    assert.match(
      told.lines.join('\n'),
      /the agent runs \(pid \d+\), and there is no status in .*: .* is full.*status-not-kept/s,
    )
    const mark = join(node.files.runtime, 'joined')
    assert.ok(!existsSync(mark))
    const from = agent.lines.length
    disk.relieve()
    await toldAgain(agent, from)
    await node.joined(agent)
    assert.ok(existsSync(mark))
    // Read-only, and as after an hour of that.
    utimesSync(join(node.files.runtime, 'status.json'), 0, Date.now() / 1000 - 3600)
    disk.forbidWrites()
    const behind = await node.command('status')
    assert.equal(behind.code, EXIT.unavailable)
    assert.match(behind.agent.lines.join('\n'), /that was written 1h 0m ago, and may be no longer so: the agent runs/)
    disk.relieve()
    await terminate(agent)
  }).timeout(3 * DEADLINE_MS)

  it('the directory of the metrics, from the start, and files.runtime in a renewal: what is told is so, and no certificate is lost', async () => {
    const node = await suite.node()
    const textfile = textfileOf(node)
    await node.configure({ metrics: { textfile } })
    using metrics = new ScarceDisk(dirname(textfile))
    using runtime = new ScarceDisk(node.files.runtime)
    metrics.leave(0, 'pages')
    const agent = node.start()
    await agent.waitForLine(FULL, { timeoutMs: DEADLINE_MS })
    const { certificate: first } = await node.joined(agent)
    assert.ok(!existsSync(textfile))
    let from = agent.lines.length
    metrics.relieve()
    await toldAgain(agent, from)
    await healthyIn(textfile)

    from = agent.lines.length
    await renewal(node, agent, () => {
      runtime.leave(0, 'pages')
    })
    await agent.waitForLine(JOINED, { from, timeoutMs: DEADLINE_MS })
    // In the room of the status that is no longer so.
    await node.statusWhere(
      agent,
      'of the new certificate',
      ({ state, certificate }) => state === 'healthy' && certificate?.fingerprint !== first?.fingerprint,
    )
    await assertWhole(node, 2)
    await terminate(agent)
  }).timeout(3 * DEADLINE_MS)
})
