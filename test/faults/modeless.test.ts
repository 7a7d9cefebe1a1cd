import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Status } from '../../src/agent/status.ts'
import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { DEADLINE_MS } from '../harness/joining-node.ts'
import { problemsIn } from '../integration/bad-input/scene.ts'
import { Suite, terminate } from '../integration/behaviour-suite.ts'
import { assertWhole } from './episodes.ts'
import { FaultyFileSystem, fuseProblem } from './faulty-file-system.ts'

const skipped = fuseProblem === undefined ? '' : ` (skipped: ${fuseProblem})`

;(fuseProblem === undefined ? describe : describe.skip)(`a file system that keeps no modes${skipped}`, () => {
  const suite = new Suite(startEmbeddedControlPlane, {})

  for (const [mode, says] of [
    ['modeless', 'has no effect'],
    ['unchanged', 'fails with EPERM'],
  ] as const)
    it(`where chmod ${says}, is joined on, and each key that others may read is told as a finding and never as a failure`, async () => {
      const node = await suite.node()
      await using disk = await FaultyFileSystem.mount(join(node.directory, 'var'), join(node.directory, 'behind'))
      await disk.fail(mode)
      const agent = node.start()
      await node.joined(agent)
      const unprotected = ({ findings }: Status): string[] =>
        findings.filter(({ id }) => id === 'key-unprotected').map(({ seen }) => seen)
      // The file of its request is there a moment longer.
      const status = await node.statusWhere(agent, 'one finding', (told) => unprotected(told).length === 1)
      assert.match(unprotected(status)[0] ?? '', /kubelet-client-[\d-]+\.pem can be read by others/)
      assert.deepEqual(problemsIn(agent.lines), [])
      await disk.fail('none')
      await assertWhole(node, 1)
      await terminate(agent)
    }).timeout(DEADLINE_MS)
})
