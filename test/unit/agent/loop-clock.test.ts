/** The whole loop under clocks that step and lifetimes of every length: the wall clock decides, and is looked at once a minute. */
import assert from 'node:assert/strict'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { VirtualClock } from './fakes.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from './fixtures.ts'
import { Stage } from './loop-stage.ts'

const PENDING = '/var/lib/node-bootstrap/pending-request.pem'
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** As Node's timers: what is longer than they can count ends at once. */
class TimerClock extends VirtualClock {
  beforeSleep: () => void = () => undefined

  override async sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.beforeSleep()
    await super.sleep(ms > LONGEST_TIMER_MS ? 1 : ms, signal)
  }
}

const renewAtMs = ({ status }: Stage): number => Date.parse(status.certificate?.renewAt ?? '')

describe('Loop: lifetimes', () => {
  it('beyond what a timer can count are slept through, and end in one renewal in its time', async () => {
    const clock = new TimerClock()
    const stage = new Stage({ clock })
    stage.cluster.certificateMs = 100 * DAY_MS
    await stage.runFor(10 * MINUTE_MS)
    const dueMs = renewAtMs(stage)
    assert.ok(dueMs - clock.nowMs() > 2 * LONGEST_TIMER_MS, new Date(dueMs).toISOString())
    const after = new Stage({ clock, files: stage.files, cluster: stage.cluster })
    const stepMs = DAY_MS / 2
    clock.beforeSleep = () => {
      clock.step(stepMs)
    }
    clock.afterSleep = () => {
      if (clock.nowMs() > dueMs + 2 * DAY_MS) after.stop()
    }
    await after.run()
    const [, renewal, ...more] = after.cluster.posts
    assert.equal(renewal?.requester, 'node')
    assert.ok(renewal.atMs >= dueMs && renewal.atMs <= dueMs + stepMs + MINUTE_MS)
    assert.deepEqual(more, [])
    assert.equal(after.status.state, 'healthy')
  })

  it('of ten minutes are renewed over and over, each before its end', async () => {
    const stage = new Stage({ maxReports: 20_000 })
    stage.cluster.certificateMs = 10 * MINUTE_MS
    let hasJoined = false
    stage.onReport = ({ state, certificate }) => {
      hasJoined ||= state === 'healthy'
      if (hasJoined) assert.ok(Date.parse(certificate?.notAfter ?? '') - stage.clock.nowMs() > MINUTE_MS)
    }
    await stage.runFor(3 * HOUR_MS)
    const [, ...renewals] = stage.cluster.posts
    assert.ok(renewals.length >= 15 && renewals.length <= 40, `${renewals.length} renewals`)
    assert.ok(renewals.every(({ requester }) => requester === 'node'))
    assert.equal(stage.status.state, 'healthy')
  })
})

describe('Loop: a suspend, in which the wall clock alone goes on', () => {
  const weeks: readonly [sentence: string, weeks: number, requester: string][] = [
    ['over a renewal is noticed within a minute, and the node renews', 8, 'node'],
    ['over the end of the certificate is noticed within a minute, and the node joins again', 10, 'bootstrap'],
  ]
  for (const [sentence, asleep, requester] of weeks)
    it(sentence, async () => {
      const clock = new TimerClock()
      const stage = new Stage({ clock })
      stage.cluster.certificateMs = 60 * DAY_MS
      let sleeps = 0
      let awokeMs = Infinity
      let noticedMs = Infinity
      clock.beforeSleep = () => {
        sleeps += 1
        if (sleeps !== 30) return
        clock.step(asleep * 7 * DAY_MS)
        awokeMs = clock.monotonicMs()
      }
      stage.onReport = ({ step }) => {
        if (awokeMs < Infinity && step === 'request') noticedMs = Math.min(noticedMs, clock.monotonicMs())
      }
      await stage.runFor(40 * MINUTE_MS)
      assert.ok(noticedMs - awokeMs <= MINUTE_MS, `${noticedMs - awokeMs} ms`)
      assert.deepEqual(
        stage.cluster.posts.map((post) => post.requester),
        ['bootstrap', requester],
      )
      assert.equal(stage.status.state, 'healthy')
    })
})

describe('Loop: a certificate that has lapsed by a clock that is wrong', () => {
  it('is not given up while nobody says what time it is, and is installed once the clock is right', async () => {
    const stage = new Stage()
    const isWrong = (): boolean => stage.clock.monotonicMs() < 20 * MINUTE_MS
    let isStepped = false
    stage.onReport = ({ step }) => {
      if (step !== 'certificate' || isStepped) return
      isStepped = true
      stage.clock.step(2 * DAY_MS)
      stage.cluster.fault = ({ path }) =>
        path === '/version' && isWrong() ? new BootstrapError('unreachable', 'nobody answers') : undefined
    }
    const codes = new Set<string>()
    stage.clock.afterSleep = () => {
      codes.add(stage.status.problem?.code ?? 'none')
      if (isWrong()) assert.notEqual(stage.files.text(PENDING), undefined)
      else if (codes.size === 1) {
        codes.add('the clock is set')
        stage.clock.step(-2 * DAY_MS)
      }
    }
    await stage.runFor(HOUR_MS)
    assert.deepEqual([...codes].slice(0, 2), ['unreachable', 'the clock is set'])
    assert.equal(stage.cluster.posts.length, 1)
    assert.equal(stage.status.state, 'healthy')
  })
})
