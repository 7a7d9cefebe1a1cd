import assert from 'node:assert/strict'
import { sparingly } from '../../../src/compose/sparingly.ts'

describe('sparingly', () => {
  it('does it at once, and then no sooner than the time has passed since it did it last', () => {
    let nowMs = 5
    const doneAtMs: number[] = []
    const call = sparingly(() => doneAtMs.push(nowMs), 10, { monotonicMs: () => nowMs })
    for (; nowMs <= 40; nowMs += 4) call()
    assert.deepEqual(doneAtMs, [5, 17, 29])
  })
})
