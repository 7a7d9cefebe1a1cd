import assert from 'node:assert/strict'
import { realSignerProblem, startRealControlPlane } from '../harness/real-control-plane.ts'
import { DEADLINE_MS } from '../harness/joining-node.ts'
import { useTemporaryDirectory } from '../harness/temporary-directory.ts'
import { LIFETIME_MS, renewWhileAsked } from './renewals.ts'

const RENEWALS = 3
const problem = await realSignerProblem()

;(problem === undefined ? describe : describe.skip)(
  `certificates of ten minutes${problem === undefined ? '' : ` (skipped: ${problem})`}`,
  () => {
    const directory = useTemporaryDirectory()

    it('are renewed again and again without a moment in which the current pair is refused', async () => {
      const controlPlane = await startRealControlPlane({ certificateDurationMs: LIFETIME_MS })
      try {
        const { certificates, asked, failed, failures } = await renewWhileAsked({
          controlPlane,
          directory: directory.path,
          renewals: RENEWALS,
          deadlineMs: DEADLINE_MS,
          // Of ten minutes from the writing of the file: a second or two.
          window: [0.002, 0.003],
        })
        assert.deepEqual(failures, [])
        assert.equal(failed, 0)
        assert.equal(certificates.length, 1 + RENEWALS)
        assert.ok(asked >= certificates.length)
      } finally {
        await controlPlane.stop()
      }
    }).timeout(4 * DEADLINE_MS)
  },
)
