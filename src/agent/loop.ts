/**
 * The reconcile loop: observe, decide, act, again; and the only place that retries. What is to be done is done one thing at a
 * time; what is waited for is waited for all at once, so that no certificate waits for another's. It ends when it is told to
 * stop, or, with `once`, when the node has joined or cannot.
 */
import type { JoinConfiguration } from '../config/index.ts'
import { asBootstrapError, type BootstrapError } from '../lib/errors.ts'
import { act } from './act.ts'
import { askFrom, forgetAnswers, newMemory, NOTHING_SEEN } from './beginning.ts'
import { CLIENT, memoryOf, SERVING } from './certificate-kind.ts'
import type { ActionContext, AgentPorts } from './context.ts'
import type { Action } from './decide.ts'
import { endOfRun, endsWith, joinObstacle, type Once } from './end-of-run.ts'
import { isErrand } from './errands.ts'
import { Failures } from './failures.ts'
import { observe, withMemory } from './observe.ts'
import type { Memory, Observed } from './observed.ts'
import { LONGEST_ACTION_MS, Pace } from './pace.ts'
import { restingError } from './resting.ts'
import { bringForward, SetbackClock } from './setback.ts'
import { askWhetherTokenIsSpent } from './token-question.ts'
import { Tally, type Attempts } from './tally.ts'
import { Told } from './told.ts'
import { Track } from './track.ts'
import { isFree, isWatching, msUntilNews, stepsOf, waitOf, type Doing, type Step, type Turn } from './turn.ts'
import { lookOn, untilFirstEnds } from './watching.ts'
import { statusOf, type StatusBody } from './status.ts'

export interface LoopPorts extends AgentPorts {
  /** Hears where the node stands; it must not throw. */
  report: (status: StatusBody, attempts: readonly Attempts[]) => void
  /** Hears that it has rested since it last did something: what is not urgent may be done. It must not throw. */
  onQuiet: () => void
}

export class Loop {
  readonly #ports: LoopPorts
  readonly #once: Once | undefined
  readonly #memory: Memory
  readonly #client: Track
  readonly #serving: Track
  readonly #failures: Failures
  readonly #tally = new Tally()
  readonly #told: Told
  readonly #pace: Pace
  #configuration: JoinConfiguration
  #wake = new AbortController()
  #seen: Observed = NOTHING_SEEN
  /** Something was done since it was last quiet. */
  #isStirred = true

  constructor(ports: LoopPorts, configuration: JoinConfiguration, once: Once | undefined) {
    const clock = new SetbackClock(ports.clock, (byMs) => {
      this.#bringForward(byMs)
    })
    this.#ports = { ...ports, clock }
    this.#configuration = configuration
    this.#once = once
    this.#memory = newMemory(clock.monotonicMs())
    this.#told = new Told(ports.log)
    this.#client = new Track(CLIENT, clock)
    this.#serving = new Track(SERVING, clock)
    this.#failures = new Failures(this.#ports, this.#memory, ({ kind }) => endsWith(once, kind))
    this.#pace = new Pace(clock)
    if (once === undefined) askFrom(this.#memory, clock.nowMs())
  }

  /** It has not come round as it promised: something in it hangs, although the process may be well. */
  get isOverdue(): boolean {
    return this.#pace.isOverdue
  }

  /** From now on `configuration` counts: whatever is under way is broken off and looked at anew. */
  reconfigure(configuration: JoinConfiguration): void {
    this.#configuration = configuration
    this.#beginAnew()
  }

  /** The operator asks: wait no longer, and ask again for what was refused. */
  retryNow(): void {
    this.#memory.retryRefused = true
    this.#memory.serving.retryRefused = true
    this.#beginAnew()
  }

  #beginAnew(): void {
    this.#isStirred = true
    forgetAnswers(this.#memory)
    if (this.#once === undefined) askFrom(this.#memory, this.#ports.clock.nowMs())
    this.#told.beginAnew()
    this.#client.beginAnew()
    this.#serving.beginAnew()
    this.#wake.abort()
  }

  /** Resolves with whether `once` is done; otherwise when stopped. Rejects only with `once`, with what stands in the way. */
  async run(stop: AbortSignal): Promise<boolean> {
    while (!stop.aborted) {
      if (this.#wake.signal.aborted) this.#wake = new AbortController()
      this.#pace.promiseWithin(LONGEST_ACTION_MS)
      const signal = AbortSignal.any([stop, this.#wake.signal])
      const seen = await this.#look(signal)
      if (seen !== undefined && (await this.#turn(seen, signal, stop)) === 'done') return true
    }
    return false
  }

  #bringForward(byMs: number): void {
    bringForward(this.#memory, byMs)
    for (const track of [this.#client, this.#serving]) track.bringForward(byMs)
  }

  #observe(): Promise<Observed> {
    const { files, network, configurationPath, clock } = this.#ports
    // What is seen is by the clock of now.
    clock.nowMs()
    return observe(files, network, this.#configuration, configurationPath, this.#memory)
  }

  #stepsOf(seen: Observed): [Step, ...Step[]] {
    return stepsOf(seen, this.#client, this.#serving, this.#ports.clock.nowMs())
  }

  /** Undefined where that itself fails: then what was seen last is told, and nothing can be done. */
  async #look(signal: AbortSignal): Promise<Observed | undefined> {
    try {
      return await this.#observe()
    } catch (thrown) {
      if (signal.aborted) return undefined
      await this.#failUnlessHeld(this.#client, thrown)
      this.#report(this.#seen, this.#stepsOf(this.#seen)[0].action)
      await this.#pace.sleep(this.#client.heldForMs, signal)
      return undefined
    }
  }

  async #turn(seen: Observed, signal: AbortSignal, stopped: AbortSignal): Promise<'done' | 'again'> {
    this.#told.tell(seen)
    const steps = this.#stepsOf(seen)
    const turn = { seen, steps, signal, stopped }
    const [{ action }] = steps
    // Whoever comes back from an errand rests as before.
    if (action.kind !== 'rest' && !isErrand(action.kind)) this.#told.endRest()
    const next = steps.filter(isFree).find((step) => !isWatching(step))
    if (next === undefined) return await this.#wait(turn)
    this.#report(seen, action)
    await this.#perform(next, turn)
    return 'again'
  }

  /** Does one thing. A failure holds up what it failed for, and nothing else. */
  async #perform(step: Step<Doing>, turn: Turn): Promise<void> {
    const { track, action } = step
    this.#isStirred = true
    try {
      track.begin(action)
      if ((await act(action, this.#context(step, turn))) === 'in part') return
      track.succeed(action)
      this.#tally.add({ kind: track.kind.name, action: action.kind, outcome: 'succeeded' })
      if (action.kind === 'recheck') this.#memory.failedRecheck = undefined
      const memory = memoryOf(this.#memory, track.kind)
      if (action.kind === 'run-hooks') memory.failedHooks = undefined
      if (action.kind === 'protect') memory.failedProtection = undefined
      if (action.kind === 'restore') memory.failedRestore = undefined
      if (action.kind === 'publish') this.#memory.failedPublish = undefined
    } catch (thrown) {
      // A hook is broken off by nothing but the agent's end: what it fails with counts, also where it caused the reload itself.
      const breakOff = action.kind === 'run-hooks' ? turn.stopped : turn.signal
      if (!breakOff.aborted) await this.#fail(track, thrown, action.kind)
    }
  }

  #context({ track, certificate }: Step, { seen, steps, signal, stopped }: Turn): ActionContext {
    const [ports, configuration, memory] = [this.#ports, this.#configuration, this.#memory]
    const about = { kind: track.kind, certificate, certificateMemory: memoryOf(memory, track.kind) }
    const onProgress = (): void => {
      this.#report(withMemory(seen, memory), steps[0].action)
    }
    const during: ActionContext['during'] = (longestMs, effect) => this.#pace.during(longestMs, effect)
    return { ports, configuration, seen, memory, ...about, onProgress, during, signal, stopped }
  }

  /** Nothing can be done now: waits for all that something is expected of, until the first of it comes. */
  async #wait(turn: Turn): Promise<'done' | 'again'> {
    const { clock, client } = this.#ports
    const { seen, steps, signal } = turn
    const [own] = steps
    const { action } = own
    if (action.kind === 'rest') {
      const obstacle = this.#once && joinObstacle(seen, action.because)
      if (obstacle !== undefined) return await this.#failAndPause(this.#client, obstacle, turn)
      this.#told.tellOfRest(action, restingError(seen, action.because), this.#configuration.node.name)
      this.#told.noticeOthers(seen, this.#memory)
    }
    for (const step of steps) if (step.action.kind === 'rest') step.track.rest(step.action.because)
    this.#report(seen, action)
    const end = action.kind === 'rest' && this.#once !== undefined ? endOfRun(this.#once, turn) : undefined
    if (end === 'done') return 'done'
    if (end !== undefined) return await this.#failAndPause(this.#serving, end, turn)
    // A token of another discovery configuration may be that of another cluster.
    const mayAskAboutToken = action.kind === 'rest' && action.because === 'fresh' && seen.trust.kind === 'verified'
    if (mayAskAboutToken && clock.nowMs() >= this.#memory.nextTokenQuestionMs) {
      this.#isStirred = true
      await askWhetherTokenIsSpent(this.#context(own, turn))
      return 'again'
    }
    const watched = steps.filter(isFree)
    if (watched.length > 0) await this.#watch(watched, turn)
    else {
      if (action.kind === 'rest') client.close()
      await this.#pace.sleep(msUntilNews(steps, clock.nowMs()), signal)
      if (action.kind === 'rest' && this.#isStirred && !signal.aborted) {
        this.#isStirred = false
        this.#ports.onQuiet()
      }
    }
    for (const step of steps) if (step.action.kind === 'rest') step.track.beginAttempt()
    return 'again'
  }

  /** The first that ends, and news from elsewhere, end the others. */
  async #watch(watched: readonly Step<Doing>[], turn: Turn): Promise<void> {
    const watches = watched.map((step) => (signal: AbortSignal) => this.#perform(step, { ...turn, signal }))
    await untilFirstEnds([...watches, (signal) => this.#lookOn(turn.steps, signal)], turn.signal)
  }

  async #lookOn(begun: Turn['steps'], signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports
    const before = begun.map(waitOf).join()
    let steps = begun
    const isAsBefore = async (): Promise<boolean> => {
      const seen = await this.#observe().catch(() => undefined)
      if (seen === undefined) return false
      // What is waited for may be the same, and its time another, or late.
      steps = this.#stepsOf(seen)
      const isSame = steps.map(waitOf).join() === before
      if (isSame) this.#report(seen, steps[0].action)
      return isSame
    }
    const untilNewsMs = (): number => msUntilNews(steps, clock.nowMs())
    await lookOn(this.#pace, clock, { msUntilNews: untilNewsMs, isAsBefore }, signal)
  }

  async #failAndPause(track: Track, error: BootstrapError, { seen, steps, signal }: Turn): Promise<'again'> {
    await this.#failUnlessHeld(track, error)
    this.#report(seen, steps[0].action)
    await this.#pace.sleep(track.heldForMs, signal)
    return 'again'
  }

  /** Of a look or a rest: one that comes while the certificate is left alone is no further attempt. */
  async #failUnlessHeld(track: Track, thrown: unknown): Promise<void> {
    if (track.heldForMs === 0) await this.#fail(track, thrown, undefined)
  }

  /** Throws with `once`, where that was the end. `action`: undefined where it was a look, or a rest. */
  async #fail(track: Track, thrown: unknown, action: Action['kind'] | undefined): Promise<void> {
    const error = asBootstrapError(thrown)
    this.#tally.add({ kind: track.kind.name, action: action ?? 'rest', outcome: error.code })
    const end = this.#failures.take({ track, action, error, seen: this.#seen, configuration: this.#configuration })
    if (end === undefined) return
    const seen = await this.#observe().catch(() => this.#seen)
    this.#report(seen, this.#stepsOf(seen)[0].action)
    throw end
  }

  #report(seen: Observed, action: Action): void {
    const { clock, report } = this.#ports
    this.#seen = seen
    const steps = this.#stepsOf(seen)
    const [, serving] = steps
    for (const step of steps) this.#told.tellOfLate(step, clock.nowMs())
    const status = statusOf({
      configuration: this.#configuration,
      seen,
      action,
      failure: this.#client.failure,
      serving: serving && { action: serving.action, failure: this.#serving.failure },
      nowMs: clock.nowMs(),
    })
    report(status, this.#tally.attempts)
  }
}
