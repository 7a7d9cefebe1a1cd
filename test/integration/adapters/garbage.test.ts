import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { collectGarbage } from '../../../src/adapters/garbage.ts'

describe('garbage', () => {
  it('is given back to the system with its pages, and what is in use stays', async () => {
    const kept = Array.from({ length: 1000 }, (_, index) => ({ index }))
    const lost = new WeakRef(Array.from({ length: 1_000_000 }, (_, index) => ({ index })))
    const full = process.memoryUsage().heapTotal
    // A WeakRef holds what it was made of, or was asked for, until the end of the turn.
    await turn()
    collectGarbage()
    assert.equal(lost.deref(), undefined)
    assert(full - process.memoryUsage().heapTotal > 16_000_000)
    assert.equal(kept.at(-1)?.index, 999)
  })

  it('is collected by nobody else: the program has no function for it', () => {
    collectGarbage()
    assert.equal(globalThis.gc, undefined)
  })
})
