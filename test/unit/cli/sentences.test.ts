/** What an operator reads, in `status` and in the journal, of a node that is not well: from a loop that runs, in full sentences. */
import assert from 'node:assert/strict'
import { SERVING } from '../../../src/agent/certificate-kind.ts'
import { asOf } from '../../../src/agent/joined.ts'
import { obstacleTo } from '../../../src/agent/obstacle.ts'
import { exitStatusOf } from '../../../src/cli/published-status.ts'
import { render } from '../../../src/cli/status.ts'
import type { Status } from '../../../src/agent/status.ts'
import { timestamp } from '../../../src/lib/timestamp.ts'
import { statusResponse } from '../agent/fakes.ts'
import { configurationWith, HOUR_MS, MINUTE_MS } from '../agent/fixtures.ts'
import { pinless, Stage } from '../agent/loop-stage.ts'

const configuration = configurationWith({
  discovery: pinless,
  certificate: { serving: { addresses: ['10.0.0.21'] } },
})

/** A node with both certificates, valid for an hour, over which something comes. */
async function joined(change: (stage: Stage) => void): Promise<Stage> {
  const before = new Stage({ configuration })
  before.cluster.certificateMs = HOUR_MS
  before.cluster.servingVerdict = 'approve'
  await before.runFor(MINUTE_MS)
  assert.equal(before.status.state, 'healthy')
  const { clock, files, cluster } = before
  clock.afterSleep = () => undefined
  const stage = new Stage({ configuration, clock, files, cluster, maxReports: 50_000 })
  change(stage)
  return stage
}

const settled = (text: string): string =>
  text.replaceAll(/node-csr-[\w-]{43}/g, 'NAME').replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')

/** Without what changes with each run: state, summary and problem, as `status` prints them, and its exit status. */
function read({ status, clock }: Stage): [string, number] {
  const program = { version: '1.2.3', pid: 4711, startTime: '99' }
  const published: Status = asOf({ version: 1, program, since: timestamp(clock.nowMs()), ...status }, clock.nowMs())
  const [shown = ''] = render({ status: published, runs: true }, clock.nowMs()).split('\ncluster')
  return [settled(shown).replace(/next attempt .*/, 'next attempt SPAN'), exitStatusOf(published)]
}

const journal = ({ lines }: Stage, code: string): string[] =>
  [
    ...new Set(
      lines
        .filter(({ fields }) => fields['code'] === code)
        .map(({ level, message, fields }) => `${level}: ${message} (${String(fields['hint'])})`),
    ),
  ].map(settled)

describe('what an operator reads', () => {
  it('of a node whose certificate has expired, and whose token is refused', async () => {
    const stage = await joined(({ cluster }) => {
      cluster.fault = () => statusResponse(401, 'Unauthorized')
    })
    await stage.runFor(3 * HOUR_MS)
    const lost =
      'the certificate has expired, and joining again failed: token abcdef verified this cluster at TIME, and has expired or was deleted since: 10.0.0.10:6443 answered 401: Unauthorized'
    const supply =
      'make a bootstrap token (kubeadm token create) and write it to join.yaml as discovery.token.token; it is used as soon as it is there'
    const [text, exit] = read(stage)
    assert.equal(
      text,
      `node         worker-1
state        degraded, not joined, since TIME (0s ago)
             ${lost}
way          ✓ cluster  → key  · request  · approval  · certificate  · kubeconfig
problem      rejoin-needs-credential: ${lost}
             what to do: ${supply}
             next attempt SPAN`,
    )
    assert.equal(exit, 77)
    assert.equal(journal(stage, 'rejoin-needs-credential').at(-1), `warn: ${lost} (${supply})`)
  })

  it('of a node whose renewals nobody approves', async () => {
    const stage = await joined(({ cluster }) => {
      cluster.verdict = 'leave'
      cluster.servingVerdict = 'leave'
    })
    stage.onReport = ({ problem, serving }) => {
      if (problem?.code === 'renewal-not-approved' && serving?.problem !== undefined) stage.stop()
    }
    await stage.runFor(HOUR_MS)
    const [text, exit] = read(stage)
    const approve =
      'compare the key, then: kubectl certificate approve NAME; the ClusterRoleBinding kubeadm:node-autoapprove-certificate-rotation has the cluster do so by itself'
    const waits = 'the renewal NAME has waited for approval since TIME;'
    assert.equal(
      text,
      `node         worker-1
state        degraded, since TIME (0s ago)
             joined; the renewal waits for approval: kubectl certificate approve NAME
way          ✓ cluster  ✓ key  ✓ request  → approval  · certificate  · kubeconfig
problem      renewal-not-approved: ${waits} the certificate ends at TIME
             what to do: ${approve}`,
    )
    assert.equal(exit, 75)
    assert.deepEqual(journal(stage, 'renewal-not-approved'), [
      `warn: ${waits} the certificate ends at TIME (${approve})`,
    ])
    assert.deepEqual(journal(stage, 'serving-not-approved'), [
      `warn: ${waits} the serving certificate ends at TIME (compare the key and the names, then: kubectl certificate approve NAME)`,
    ])
    assert.equal(
      settled(obstacleTo(SERVING, stage.status).summary),
      `${waits} the serving certificate ends at TIME: kubectl certificate approve NAME`,
    )
  })
})
