import assert from 'node:assert/strict'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import type { DevCluster } from '../../../src/dev-cluster/dev-cluster.ts'
import { EXIT } from '../../../src/lib/error-codes.ts'
import { clockProblem, withClock } from '../../harness/faketime.ts'
import { assertEndedWith, createScene, itConcurrently, waitForJoin, waitForMessage, waitForProblem } from './scene.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

const oldAuthority = (): ReturnType<typeof createCertificateAuthority> =>
  createCertificateAuthority({ notBeforeMs: Date.now() - DAY_MS })

/** A cluster that is older than the clock is off. */
const established = () => {
  const ca = oldAuthority()
  const serverCertificate = ca.issue({
    ipAddresses: ['127.0.0.1'],
    extendedKeyUsages: ['serverAuth'],
    notBeforeMs: Date.now() - DAY_MS,
  })
  return { ca, serverCertificate }
}

const keys = (cluster: DevCluster): number => cluster.listCertificateSigningRequests().length

;(clockProblem === undefined ? describe : describe.skip)(
  `a clock that is wrong${clockProblem === undefined ? '' : ` (skipped: ${clockProblem})`}`,
  () => {
    it('an hour behind: the certificate from the future is kept, and the same request joins once the clock is set', async () => {
      await using scene = await createScene({ clusterOptions: established() })
      const { cluster } = scene
      const behind = { env: withClock('-1h') }
      const outcome = await scene.once(behind)
      assertEndedWith(outcome, 'clock-skewed', EXIT.temporary)
      assert.match(outcome.text, /"level":"warn","message":"this machine's clock is 60 min behind the API server's"/)
      for (const { message } of outcome.problems) {
        const [, here = '', there = ''] = /here it is (\S+), there (\S+)$/.exec(message) ?? []
        assert.ok(Math.abs(Date.parse(there) - Date.parse(here) - HOUR_MS) < 60_000, message)
      }
      const agent = scene.daemon(behind)
      await waitForProblem(agent, 'clock-skewed')
      await waitForProblem(agent, 'clock-skewed', agent.lines.length)
      assert.equal(keys(cluster), 1)
      agent.kill('SIGKILL')
      await agent.exited
      await waitForJoin(scene.daemon())
      assert.equal(keys(cluster), 1)
    })

    it('an hour ahead: a short certificate is not taken for lapsed, and the same request joins once the clock is set', async () => {
      await using scene = await createScene({
        clusterOptions: { ...established(), certificateDurationMs: HOUR_MS / 2 },
      })
      const { cluster } = scene
      const ahead = { env: withClock('+1h') }
      const outcome = await scene.once(ahead)
      assertEndedWith(outcome, 'clock-skewed', EXIT.temporary)
      assert.match(outcome.text, /"level":"warn","message":"this machine's clock is 60 min ahead of the API server's"/)
      assert.match(outcome.problems[0]?.message ?? '', /here it is 20.*there 20/)
      assertEndedWith(await scene.once(ahead), 'clock-skewed', EXIT.temporary)
      assert.equal(keys(cluster), 1)
      await waitForJoin(scene.daemon())
      assert.equal(keys(cluster), 1)
    })

    it('an hour ahead: with a certificate of a year it is said, and the node joins', async () => {
      await using scene = await createScene({ clusterOptions: established() })
      const agent = scene.daemon({ env: withClock('+1h') })
      await waitForMessage(agent, /this machine's clock is 60 min ahead/)
      await waitForJoin(agent)
      assert.equal(keys(scene.cluster), 1)
    })

    const beforeTls = [
      {
        name: 'before the server’s certificate begins: the clock is what is told',
        offset: '-1h',
        times: { notBeforeMs: Date.now() - HOUR_MS / 2 },
        code: 'server-certificate-not-yet-valid',
        clock: /clock is 60 min behind/,
      },
      {
        name: 'after the server’s certificate has ended: the clock is what is told',
        offset: '+1h',
        times: { notBeforeMs: Date.now() - DAY_MS, notAfterMs: Date.now() + HOUR_MS / 2 },
        code: 'server-certificate-expired',
        clock: /clock is 60 min ahead/,
      },
    ] as const
    itConcurrently(beforeTls, async ({ offset, times, code, clock }) => {
      const { ca } = established()
      const serverCertificate = ca.issue({ ipAddresses: ['127.0.0.1'], extendedKeyUsages: ['serverAuth'], ...times })
      await using scene = await createScene({ clusterOptions: { ca, serverCertificate } })
      const outcome = await scene.once({ env: withClock(offset) })
      assertEndedWith(outcome, code, EXIT.protocol)
      assert.match(outcome.text, clock)
      assert.match(outcome.text, /here it is 20\S+, and there, as the unverified server says, 20/)
      assert.equal(keys(scene.cluster), 0)
      await waitForJoin(scene.daemon())
    })
  },
)
