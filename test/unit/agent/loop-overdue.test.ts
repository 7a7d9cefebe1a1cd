import assert from 'node:assert/strict'
import type { Processes } from '../../../src/lib/ports.ts'
import { configurationWith, MINUTE_MS } from './fixtures.ts'
import { MemoryFiles, VirtualClock } from './fakes.ts'
import { pinless, Stage } from './loop-stage.ts'

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

  const hooked = configurationWith({
    discovery: pinless,
    hooks: {
      afterJoin: Array.from({ length: 40 }, (_, index) => ({ command: [`/bin/hook-${index}`], timeout: '5m' })),
    },
  })

  it('is kept by hooks that together take hours, as each of them ends in its time', async () => {
    const clock = new VirtualClock()
    const overdue: boolean[] = []
    const run: Processes['run'] = ({ timeoutMs }) => {
      clock.pass(timeoutMs)
      overdue.push(stage.loop.isOverdue)
      return Promise.resolve({ kind: 'exited', status: 0 })
    }
    const stage = new Stage({ clock, configuration: hooked, processes: { run } })
    await stage.runFor(MINUTE_MS)
    assert.deepEqual(overdue, Array<boolean>(40).fill(false))
  })

  it('is broken by a hook that does not end, a minute after its timeout', async () => {
    const clock = new VirtualClock()
    let begin = (): void => undefined
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    const run: Processes['run'] = () => {
      begin()
      return never()
    }
    const { loop } = new Stage({ clock, configuration: hooked, processes: { run } })
    void loop.run(new AbortController().signal)
    await begun
    clock.pass(6 * MINUTE_MS)
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
