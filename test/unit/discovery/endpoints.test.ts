import assert from 'node:assert/strict'
import type { Endpoint } from '../../../src/config/index.ts'
import { firstThatVerifies, HEAD_START_MS } from '../../../src/discovery/endpoints.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import type { Clock } from '../../../src/lib/ports.ts'
import { bootstrapErrorOf } from '../../harness/thrown.ts'

const endpoints: readonly Endpoint[] = ['one', 'two', 'three'].map((host) => ({ host, port: 6443 }))

/** Endpoints that answer, and a clock that goes on, when the test says so. */
class Race {
  /** What has happened, in order. */
  readonly events: string[] = []
  readonly #answers = new Map<string, PromiseWithResolvers<string>>()
  #wake: () => void = () => undefined
  readonly #caller = new AbortController()
  readonly winner: Promise<string>

  constructor(asked = endpoints) {
    const clock: Clock = {
      nowMs: () => 0,
      monotonicMs: () => 0,
      bootId: () => undefined,
      sleep: (ms, signal) => {
        this.events.push(`sleep ${ms}`)
        return new Promise((resolve) => {
          this.#wake = resolve
          signal.addEventListener('abort', () => {
            resolve()
          })
        })
      },
    }
    this.winner = firstThatVerifies(asked, (url, signal) => this.#verify(url, signal), clock, this.#caller.signal)
    this.winner.catch(() => undefined)
  }

  #verify({ hostname }: URL, signal: AbortSignal): Promise<string> {
    this.events.push(`ask ${hostname}`)
    const answer = Promise.withResolvers<string>()
    this.#answers.set(hostname, answer)
    signal.addEventListener('abort', () => {
      this.events.push(`hang up on ${hostname}`)
      answer.reject(new BootstrapError('connection-lost', `${hostname}:6443 was broken off`))
    })
    return answer.promise
  }

  async headStartIsOver(): Promise<void> {
    this.#wake()
    await settled()
  }

  async verifies(host: string): Promise<void> {
    this.#answers.get(host)?.resolve(host)
    await settled()
  }

  async fails(
    host: string,
    error = new BootstrapError('unreachable', `${host}:6443 cannot be reached`),
  ): Promise<void> {
    this.#answers.get(host)?.reject(error)
    await settled()
  }

  async abort(): Promise<void> {
    this.#caller.abort()
    await settled()
  }
}

/** All that follows without anybody's doing has happened: promises settle before the next turn of the event loop. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('several endpoints', () => {
  it('asks the first alone, and no other where it answers within its head start', async () => {
    const race = new Race()
    await settled()
    assert.deepEqual(race.events, ['ask one', `sleep ${HEAD_START_MS}`])
    await race.verifies('one')
    assert.equal(await race.winner, 'one')
    assert.deepEqual(race.events, ['ask one', `sleep ${HEAD_START_MS}`, 'hang up on one'])
  })

  it('asks the next beside one that is silent, and hangs up on the silent one when the next has verified', async () => {
    const race = new Race()
    await settled()
    await race.headStartIsOver()
    assert.deepEqual(race.events.slice(2), ['ask two', `sleep ${HEAD_START_MS}`])
    await race.verifies('two')
    assert.equal(await race.winner, 'two')
    assert.deepEqual(race.events.slice(4).sort(), ['hang up on one', 'hang up on two'])
  })

  it('asks the next at once where the one before has failed, and the last without a clock', async () => {
    const race = new Race()
    await settled()
    await race.fails('one')
    assert.deepEqual(race.events.slice(2), ['ask two', `sleep ${HEAD_START_MS}`])
    await race.fails('two')
    assert.deepEqual(race.events.slice(4), ['ask three'])
    await race.verifies('three')
    assert.equal(await race.winner, 'three')
  })

  it('takes the first that verifies, also where an earlier one comes after it, or fails', async () => {
    const race = new Race()
    await settled()
    await race.headStartIsOver()
    await race.headStartIsOver()
    await race.fails('three', new BootstrapError('signature-mismatch', 'three:6443 lies'))
    await race.verifies('one')
    assert.equal(await race.winner, 'one')
    assert.equal(race.events.filter((event) => event.startsWith('ask')).length, 3)
  })

  it('fails when all have, in their order, with the code that tells most', async () => {
    const race = new Race()
    await settled()
    await race.headStartIsOver()
    await race.headStartIsOver()
    await race.fails('three')
    await race.fails('two', new BootstrapError('pin-mismatch', 'no pin matches'))
    await race.fails('one', new BootstrapError('timed-out', 'one:6443 does not answer'))
    const error = await bootstrapErrorOf(race.winner)
    assert.equal(error.code, 'pin-mismatch')
    assert.equal(
      error.message,
      'one:6443 does not answer; by way of two:6443: no pin matches; three:6443 cannot be reached',
    )
  })

  it('ends at once where the caller turns away, and asks nobody then', async () => {
    const race = new Race()
    await settled()
    await race.abort()
    await assert.rejects(race.winner)
    assert.deepEqual(
      race.events.filter((event) => event.startsWith('ask')),
      ['ask one'],
    )
  })

  it('needs no clock for one endpoint', async () => {
    const race = new Race(endpoints.slice(0, 1))
    await settled()
    await race.verifies('one')
    assert.equal(await race.winner, 'one')
    assert.ok(!race.events.some((event) => event.startsWith('sleep')))
  })
})
