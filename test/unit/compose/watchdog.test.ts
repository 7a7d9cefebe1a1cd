import assert from 'node:assert/strict'
import sinon from 'sinon'
import { feedWatchdog, watchdogIntervalMs } from '../../../src/compose/watchdog.ts'
import type { Log } from '../../../src/lib/ports.ts'

describe('watchdog', () => {
  it('is fed twice in the time that systemd gives, and not at all where systemd asks another process or nobody', () => {
    assert.equal(watchdogIntervalMs({ WATCHDOG_USEC: '180000000', WATCHDOG_PID: '7' }, 7), 90_000)
    assert.equal(watchdogIntervalMs({ WATCHDOG_USEC: '180000000' }, 7), 90_000)
    assert.equal(watchdogIntervalMs({ WATCHDOG_USEC: '180000000', WATCHDOG_PID: '8' }, 7), undefined)
    assert.equal(watchdogIntervalMs({}, 7), undefined)
  })

  it('is fed while the loop keeps its promise, and never again once it has not', async () => {
    let feedings = 0
    const log = { error: sinon.spy(), warn: sinon.spy(), info: sinon.spy(), debug: sinon.spy() } satisfies Log
    const clock = { nowMs: () => 0, monotonicMs: () => 0, bootId: () => undefined, sleep: () => Promise.resolve() }
    const stop = new AbortController()
    const watchdog = (): Promise<void> => {
      feedings += 1
      // Fed without end it would never come back.
      if (feedings > 3) stop.abort()
      return Promise.resolve()
    }
    await feedWatchdog(1000, () => feedings === 3, { clock, log, notify: { watchdog } }, stop.signal)
    assert.equal(feedings, 3)
    assert.match(String(log.error.args[0]?.[0]), /the loop has not come round/)
  })
})
