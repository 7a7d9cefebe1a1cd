import assert from 'node:assert/strict'
import { MINUTE_MS } from './fixtures.ts'
import { MemoryFiles, VirtualClock } from './fakes.ts'
import { Stage } from './loop-stage.ts'

const never = (): Promise<never> => new Promise(() => undefined)

describe('Loop: its promise to come round again', () => {
  it('is kept while it joins and rests, for hours', async () => {
    const stage = new Stage()
    const overdue: boolean[] = []
    stage.clock.afterSleep = () => void overdue.push(stage.loop.isOverdue)
    stage.onReport = () => void overdue.push(stage.loop.isOverdue)
    await stage.runFor(180 * MINUTE_MS)
    assert.ok(overdue.length > 180)
    assert.ok(!overdue.includes(true))
  })

  it('is broken by an action that hangs, a quarter of an hour and a minute after it began', () => {
    const clock = new VirtualClock()
    const files = new MemoryFiles(clock)
    files.read = never
    const { loop } = new Stage({ clock, files })
    void loop.run(new AbortController().signal)
    clock.pass(16 * MINUTE_MS)
    assert.equal(loop.isOverdue, false)
    clock.pass(1)
    assert.equal(loop.isOverdue, true)
  })

  it('is broken by a sleep that does not end, a minute after it was to', async () => {
    const stage = new Stage()
    const asleep = new Promise<void>((resolve) => {
      stage.clock.afterSleep = () => {
        resolve()
        return never()
      }
    })
    void stage.loop.run(new AbortController().signal)
    await asleep
    stage.clock.pass(MINUTE_MS)
    assert.equal(stage.loop.isOverdue, false)
    stage.clock.pass(1)
    assert.equal(stage.loop.isOverdue, true)
  })

  it('takes no notice of a wall clock that is set', async () => {
    const stage = new Stage()
    await stage.runFor(MINUTE_MS)
    stage.clock.step(30 * 24 * 60 * MINUTE_MS)
    assert.equal(stage.loop.isOverdue, false)
  })
})
