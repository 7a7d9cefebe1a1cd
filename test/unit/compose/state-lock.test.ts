import assert from 'node:assert/strict'
import { lockState } from '../../../src/compose/state-lock.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'

const clock = { sleep: () => Promise.resolve() }
const log = { warn: () => undefined, info: () => undefined }
const full = new BootstrapError('storage-full', 'the disk is full')
const taken = new BootstrapError('already-running', 'another agent was quicker')

/** Answers with each of `outcomes` in turn; `held` is whether the lock is held now. */
function lockAfter(...outcomes: readonly (BootstrapError | 'held')[]) {
  const left = [...outcomes]
  const state = { held: false, settled: Promise.withResolvers<undefined>() }
  const acquire = () => {
    const outcome = left.shift()
    if (left.length === 0) state.settled.resolve(undefined)
    if (outcome !== 'held') return Promise.reject(outcome ?? new Error('tried too often'))
    state.held = true
    return Promise.resolve({ release: () => Promise.resolve(void (state.held = false)) })
  }
  return { acquire, state }
}

describe('lockState', () => {
  it('holds the lock until it is released', async () => {
    const { acquire, state } = lockAfter('held')
    const lock = await lockState(acquire, { clock, log })
    assert.equal(state.held, true)
    await lock.release()
    assert.equal(state.held, false)
  })

  it('refuses where another agent holds it', async () => {
    await assert.rejects(lockState(lockAfter(taken).acquire, { clock, log }), taken)
  })

  it('takes the lock as soon as a disk that was full can hold it', async () => {
    const { acquire, state } = lockAfter(full, full, 'held')
    const lock = await lockState(acquire, { clock, log })
    await state.settled.promise
    assert.equal(lock.lost.aborted, false)
    assert.equal(state.held, true)
    await lock.release()
    assert.equal(state.held, false)
  })

  it('is lost where another agent was quicker once the disk could hold it', async () => {
    const { acquire } = lockAfter(full, taken)
    const lock = await lockState(acquire, { clock, log })
    await new Promise((resolve) => {
      lock.lost.addEventListener('abort', resolve)
    })
    assert.equal(lock.lost.reason, taken)
  })

  it('is given back where it was taken at the very moment of its release', async () => {
    const { acquire, state } = lockAfter(full, 'held')
    const lock = await lockState(acquire, { clock, log })
    await lock.release()
    assert.equal(state.held, false)
  })
})
