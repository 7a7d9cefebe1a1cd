/** The whole loop under clocks that step and lifetimes of every length: the wall clock decides, and is looked at once a minute. */
import assert from 'node:assert/strict'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { VirtualClock } from './fakes.ts'
import { configurationWith, DAY_MS, HOUR_MS, MINUTE_MS } from './fixtures.ts'
import { pinless, Stage } from './loop-stage.ts'

const PENDING = '/var/lib/node-bootstrap/pending-request.pem'
const RECORD = '/var/lib/node-bootstrap/cluster.json'
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

/** Who had the request's state looked up or watched, in order. */
const watchers = ({ cluster }: Stage): string[] =>
  cluster.seen.filter(({ isWatch }) => isWatch).map(({ requester }) => requester)

describe('Loop: a suspend during the pause after a failure', () => {
  const failure = new BootstrapError('unreachable', 'nobody answers', { retryAfterMs: 10 * MINUTE_MS })
  const rows: readonly [sentence: string, asleepMs: number, requester: string][] = [
    ['that goes past its end is noticed within a minute, and the next attempt is made', 15 * MINUTE_MS, 'node'],
    [
      'that goes past the end of the certificate is noticed within a minute, and the node joins',
      5 * HOUR_MS,
      'bootstrap',
    ],
  ]
  for (const [sentence, asleepMs, requester] of rows)
    it(sentence, async () => {
      const clock = new TimerClock()
      const stage = new Stage({ clock })
      stage.cluster.certificateMs = 4 * HOUR_MS
      let awokeMs = Infinity
      stage.cluster.fault = ({ method, requester: by }) =>
        method === 'POST' && by === 'node' && awokeMs === Infinity ? failure : undefined
      clock.beforeSleep = () => {
        if (awokeMs < Infinity || stage.status.problem?.code !== 'unreachable') return
        clock.step(asleepMs)
        awokeMs = clock.monotonicMs()
      }
      stage.onReport = () => {
        if (stage.cluster.posts.length === 3) stage.stop()
      }
      await stage.runFor(DAY_MS)
      assert.ok(clock.monotonicMs() - awokeMs <= MINUTE_MS, `${clock.monotonicMs() - awokeMs} ms`)
      assert.deepEqual(
        stage.cluster.posts.map((post) => post.requester),
        ['bootstrap', 'node', requester],
      )
      assert.equal(stage.messages('warn').filter((message) => message === failure.message).length, 1)
    })

  it('and none at all: the pause is as long as it was told, for all the looks in it', async () => {
    const stage = new Stage()
    stage.cluster.fault = ({ method }) => (method === 'POST' ? failure : undefined)
    stage.onReport = () => {
      if (stage.cluster.posts.length === 3) stage.stop()
    }
    await stage.runFor(DAY_MS)
    const [first, second, third] = stage.cluster.posts.map(({ atMs }) => atMs)
    const told = stage.lines.flatMap(({ fields }) => fields['retryInSeconds'] ?? [])
    assert.deepEqual(
      told.slice(0, 2).map(Number),
      [second, third].map((atMs, index) => Math.round(((atMs ?? 0) - ([first, second][index] ?? 0)) / 100) / 10),
    )
    assert.equal(stage.messages('warn').filter((message) => message === failure.message).length, told.length)
  })
})

describe('Loop: a clock that is set back', () => {
  const away = new BootstrapError('unreachable', 'nobody answers', { retryAfterMs: 10 * MINUTE_MS })
  const setBack = ({ clock }: Stage, ms: number, isTime: () => boolean): void => {
    let isSet = false
    clock.afterSleep = () => {
      if (isSet || !isTime()) return
      isSet = true
      clock.step(-ms)
    }
  }

  it('in the pause after a failure puts nothing off, and the status says when the next attempt is', async () => {
    const stage = new Stage()
    stage.cluster.fault = ({ method }) => (method === 'POST' ? away : undefined)
    setBack(stage, HOUR_MS, () => stage.status.problem?.code === 'unreachable')
    let told = ''
    stage.onReport = ({ problem }) => {
      if (stage.cluster.posts.length === 1) told = problem?.nextAttemptAt ?? told
      else if (stage.cluster.posts.length === 2) stage.stop()
    }
    await stage.runFor(DAY_MS)
    assert.ok(stage.clock.monotonicMs() < 12 * MINUTE_MS)
    assert.ok(Math.abs(Date.parse(told) - (stage.cluster.posts[1]?.atMs ?? 0)) <= 1000, told)
  })

  it('puts off no hook that is to be run again', async () => {
    let isMended = false
    const processes = { run: () => Promise.resolve({ kind: 'exited', status: isMended ? 0 : 1 } as const) }
    const hooks = { afterJoin: [{ command: ['/bin/announce'] }] }
    const stage = new Stage({ configuration: configurationWith({ discovery: pinless, hooks }), processes })
    const pauseMs = (): number => Date.parse(stage.status.problem?.nextAttemptAt ?? '') - stage.clock.nowMs()
    let announcedMs = Infinity
    setBack(stage, 10 * MINUTE_MS, () => {
      if (!(pauseMs() > 10 * MINUTE_MS)) return false
      announcedMs = stage.clock.monotonicMs() + pauseMs()
      return (isMended = true)
    })
    stage.onReport = ({ state }) => {
      if (state === 'healthy' && isMended) stage.stop()
    }
    await stage.runFor(5 * HOUR_MS)
    const lateMs = stage.clock.monotonicMs() - announcedMs
    assert.ok(lateMs >= -1000 && lateMs < MINUTE_MS, `${lateMs} ms late`)
  })

  it('while an action fails brings nothing forward, and the status says when the next attempt is', async () => {
    const stage = new Stage()
    let failedAtMs = 0
    stage.cluster.fault = ({ method }) => {
      if (method !== 'POST' || failedAtMs > 0) return undefined
      stage.clock.pass(MINUTE_MS)
      stage.clock.step(-HOUR_MS)
      failedAtMs = stage.clock.nowMs()
      return away
    }
    let told = ''
    stage.onReport = ({ problem }) => {
      if (stage.cluster.posts.length === 1) told = problem?.nextAttemptAt ?? told
      else if (stage.cluster.posts.length === 2) stage.stop()
    }
    await stage.runFor(DAY_MS)
    const againAtMs = stage.cluster.posts[1]?.atMs ?? 0
    assert.ok(againAtMs - failedAtMs >= 10 * MINUTE_MS, `${againAtMs - failedAtMs} ms`)
    assert.ok(Math.abs(Date.parse(told) - againAtMs) <= 1000, told)
  })

  /** What takes two hours, in which the clock is set back by one. */
  const pass = ({ clock }: Stage): void => {
    clock.pass(2 * HOUR_MS)
    clock.step(-HOUR_MS)
  }

  it('while a hook fails does not have it run again at once', async () => {
    const ranAtMs: number[] = []
    const hooks = { afterJoin: [{ command: ['/bin/announce'] }] }
    const stage: Stage = new Stage({
      configuration: configurationWith({ discovery: pinless, hooks }),
      processes: {
        run: () => {
          if (ranAtMs.length === 5) pass(stage)
          ranAtMs.push(stage.clock.monotonicMs())
          return Promise.resolve({ kind: 'exited', status: 1 })
        },
      },
    })
    stage.onReport = () => {
      if (ranAtMs.length === 7) stage.stop()
    }
    await stage.runFor(DAY_MS)
    const [sixth = 0, seventh = 0] = ranAtMs.slice(5)
    const told = stage.lines.flatMap(({ fields }) => fields['retryInSeconds'] ?? [])
    assert.ok(Math.abs(seventh - sixth - Number(told[5]) * 1000) < 100, `${seventh - sixth} ms`)
  })

  it('while the certificate is asked about has it asked about no sooner', async () => {
    const stage = new Stage()
    const questions = (): number => stage.cluster.seen.filter(({ path }) => path.includes('/nodes/')).length
    stage.cluster.fault = ({ path }) => {
      if (path.includes('/nodes/') && questions() === 1) pass(stage)
      return undefined
    }
    await stage.runFor(2 * HOUR_MS + 40 * MINUTE_MS)
    assert.equal(questions(), 1)
    assert.deepEqual([...stage.messages('warn'), ...stage.messages('error')].slice(2), [])
  })

  it('puts off no question whether all is as it was', async () => {
    const stage = new Stage()
    const questions = (): number => stage.cluster.seen.filter(({ path }) => path.includes('/nodes/')).length
    setBack(stage, HOUR_MS, () => questions() === 1)
    await stage.runFor(80 * MINUTE_MS)
    assert.equal(questions(), 2)
  })
})

describe('Loop: while a request waits for approval', () => {
  it('looks once a minute, and breaks no watch off for it', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'leave'
    await stage.runFor(5 * MINUTE_MS)
    assert.deepEqual(stage.clock.sleeps, Array<number>(5).fill(MINUTE_MS))
    assert.deepEqual(watchers(stage), ['bootstrap'])
  })

  it('a suspend past the end of the certificate is noticed within a minute, and the watch goes on by the other credential', async () => {
    const clock = new TimerClock()
    const stage = new Stage({ clock })
    stage.cluster.certificateMs = HOUR_MS
    stage.onReport = ({ state }) => {
      if (state === 'healthy') stage.cluster.verdict = 'leave'
    }
    let awokeMs = Infinity
    clock.beforeSleep = () => {
      if (awokeMs < Infinity) stage.stop()
      else if (watchers(stage).at(-1) === 'node') {
        clock.step(2 * HOUR_MS)
        awokeMs = clock.monotonicMs()
      }
    }
    await stage.runFor(DAY_MS)
    assert.deepEqual(watchers(stage), ['bootstrap', 'node', 'bootstrap'])
    assert.equal(clock.monotonicMs() - awokeMs, MINUTE_MS)
    assert.equal(stage.cluster.posts.length, 2)
  })

  it('a cluster record that is lost is noticed within a minute', async () => {
    const stage = new Stage()
    stage.cluster.verdict = 'leave'
    stage.clock.afterSleep = () => {
      stage.files.entries.delete(RECORD)
    }
    stage.onReport = ({ step }) => {
      if (step === 'cluster' && stage.clock.sleeps.length > 0) stage.stop()
    }
    await stage.runFor(HOUR_MS)
    assert.deepEqual(stage.clock.sleeps, [MINUTE_MS])
  })
})

describe('Loop: run --once with a certificate from the future', () => {
  it('asks ever more rarely whether the clock is right, tells why all the while, and ends with that', async () => {
    const before = new Stage()
    await before.runFor(MINUTE_MS)
    const { clock, files, cluster } = before
    clock.step(-2 * DAY_MS)
    const stage = new Stage({ clock, files, cluster, once: 'joined' })
    const told = new Set<string | undefined>()
    clock.afterSleep = () => void told.add(stage.status.problem?.code)
    await assert.rejects(stage.run(), { code: 'clock-skewed' })
    assert.deepEqual([...told], ['clock-skewed'])
    const warnings = stage.messages('warn').filter((message) => message.includes('future'))
    assert.ok(warnings.length >= 3 && warnings.length <= 20, `${warnings.length} times`)
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
