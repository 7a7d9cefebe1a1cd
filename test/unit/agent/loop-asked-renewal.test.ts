import assert from 'node:assert/strict'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { parseCertificates } from '../../../src/pki/certificate.ts'
import { askForRenewal, askedRenewalPath } from '../../../src/store/asked-renewal.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from './fixtures.ts'
import { Stage } from './loop-stage.ts'

const STATE = '/var/lib/node-bootstrap'
const CURRENT = '/var/lib/kubelet/pki/kubelet-client-current.pem'

const currentFingerprint = ({ files }: Stage): string =>
  parseCertificates(/-----BEGIN CERT[^]*?END CERTIFICATE-----\n/.exec(files.text(CURRENT) ?? '')?.[0] ?? '')[0]
    .fingerprint

/** Asks for the renewal of `fingerprint`, once, when the loop rests for the first time. */
function askAtFirstRest(stage: Stage, fingerprint: () => string): void {
  let isAsked = false
  stage.clock.afterSleep = async () => {
    if (isAsked) return
    isAsked = true
    await askForRenewal(stage.files, STATE, fingerprint())
    stage.loop.retryNow()
  }
}

describe('Loop: a renewal that is asked for', () => {
  it('is made at once, as the node itself, exactly once, and the word is spent', async () => {
    const stage = new Stage()
    askAtFirstRest(stage, () => currentFingerprint(stage))
    await stage.runFor(HOUR_MS)
    assert.deepEqual(
      stage.cluster.posts.map(({ requester }) => requester),
      ['bootstrap', 'node'],
    )
    assert.equal(stage.files.text(askedRenewalPath(STATE)), undefined)
    assert.equal(stage.status.state, 'healthy')
  })

  it('is not made of another certificate than the one that was meant', async () => {
    const stage = new Stage()
    askAtFirstRest(stage, () => 'ab'.repeat(32))
    await stage.runFor(HOUR_MS)
    assert.equal(stage.cluster.posts.length, 1)
  })

  it('survives that the cluster is away and the clock is set back, and is made when both are over', async () => {
    const stage = new Stage()
    askAtFirstRest(stage, () => {
      stage.cluster.fault = () => new BootstrapError('unreachable', 'a test said so')
      stage.clock.step(-2 * MINUTE_MS)
      return currentFingerprint(stage)
    })
    await stage.runFor(HOUR_MS)
    assert.equal(stage.status.problem?.code, 'unreachable')
    assert.equal(stage.status.state, 'degraded')

    const again = new Stage({ files: stage.files, clock: stage.clock, cluster: stage.cluster })
    stage.cluster.fault = () => undefined
    await again.runFor(MINUTE_MS)
    assert.equal(again.status.state, 'healthy')
    assert.equal(stage.cluster.requests.length, 2)
  })

  it('keeps the certificate in force and its refusal in sight when it is denied', async () => {
    const stage = new Stage()
    let before = ''
    askAtFirstRest(stage, () => {
      stage.cluster.verdict = 'deny'
      before = currentFingerprint(stage)
      return before
    })
    await stage.runFor(30 * MINUTE_MS)
    assert.equal(currentFingerprint(stage), before)
    assert.equal(stage.status.problem?.code, 'csr-denied')
    assert.equal(stage.status.state, 'degraded')
    // The join, and the renewal after pauses of 0, 1, 2, 4 and 8 minutes.
    assert.equal(stage.cluster.posts.length, 6)
    assert.ok(stage.clock.nowMs() < Date.parse('2026-11-23T12:00:00Z') + DAY_MS)
  })
})
