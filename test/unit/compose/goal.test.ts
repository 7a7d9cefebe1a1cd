import assert from 'node:assert/strict'
import { CLIENT, SERVING } from '../../../src/agent/certificate-kind.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { stoppedEarly, timedOut } from '../../../src/compose/goal.ts'
import { askForRenewal } from '../../../src/store/asked-renewal.ts'
import type { Fault } from '../agent/fakes.ts'
import { configurationWith, MINUTE_MS } from '../agent/fixtures.ts'
import { pinless, Stage } from '../agent/loop-stage.ts'

const renewed = { goal: 'renewed', kind: SERVING } as const
const configuration = configurationWith({
  discovery: pinless,
  certificate: { serving: { addresses: ['10.0.0.21'] } },
})

/** A node with both certificates, whose serving one somebody has asked to renew, run by `renew --serving` for ten minutes. */
async function renewing(fault: Fault): Promise<Stage> {
  const before = new Stage({ configuration, once: 'served' })
  before.cluster.servingVerdict = 'approve'
  await before.run()
  const { clock, files, cluster } = before
  const fingerprint = before.status.serving?.certificate?.fingerprint.replace('SHA256:', '') ?? ''
  await askForRenewal(files, '/var/lib/node-bootstrap/serving', fingerprint)
  cluster.servingVerdict = 'leave'
  const stage = new Stage({ configuration, once: 'served', clock, files, cluster })
  cluster.fault = ({ method }) => (method === 'POST' ? fault : undefined)
  await stage.runFor(10 * MINUTE_MS).catch(() => undefined)
  return stage
}

describe('a run whose time is over', () => {
  it('names the certificate that is not renewed, and the request that waits with the command that approves it', async () => {
    const { status, cluster } = await renewing(undefined)
    const name = cluster.requests.at(-1)?.name ?? ''
    const { code, message } = timedOut(renewed, 600_000, status)
    assert.deepEqual(
      [code, message],
      [
        'waiting-timed-out',
        `the serving certificate is not renewed within 600 s: the serving certificate's request ${name} waits for approval: nothing in Kubernetes approves these by itself: kubectl certificate approve ${name}`,
      ],
    )
  })

  it('names the last failure of that certificate, and what to do about it', async () => {
    const { status } = await renewing(new BootstrapError('connection-refused', '10.0.0.10:6443: nobody listens there'))
    const { message, hint } = timedOut(renewed, 600_000, status)
    assert.equal(
      message,
      'the serving certificate is not renewed within 600 s: connection-refused: 10.0.0.10:6443: nobody listens there',
    )
    assert.match(hint, /^nothing listens there/)
  })

  it('of a join says what that waits for', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'leave'
    await stage.runFor(MINUTE_MS)
    const { code, message } = timedOut({ goal: 'joined', kind: CLIENT }, 60_000, stage.status)
    const command = `kubectl certificate approve ${stage.cluster.requests[0]?.name ?? ''}`
    assert.deepEqual(
      [code, message],
      ['joining-timed-out', `the node has not joined within 60 s: waiting for approval: ${command}`],
    )
  })

  it('before anything was told says that alone, and one that is stopped which certificate it was for', () => {
    assert.equal(timedOut(renewed, 1500, undefined).message, 'the serving certificate is not renewed within 1.5 s')
    assert.equal(stoppedEarly(renewed).message, 'stopped early: the serving certificate is not renewed')
  })
})
