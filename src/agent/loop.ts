/**
 * The reconcile loop: observe, decide, act, again; and the only place that retries. It ends when it is told to stop, or,
 * with `once`, when the node has joined or cannot.
 */
import type { JoinConfiguration } from '../config/index.ts'
import { asBootstrapError, BootstrapError } from '../lib/errors.ts'
import { timestamp } from '../lib/timestamp.ts'
import { act } from './act.ts'
import { isTransient, retryDelayMs } from './backoff.ts'
import { newMemory, NOTHING_SEEN } from './beginning.ts'
import { CLIENT } from './certificate-kind.ts'
import type { ActionContext, AgentPorts } from './context.ts'
import { decide, msUntilLapse, type Action } from './decide.ts'
import { isErrand, LONGEST_ERRAND_PAUSE_MS, msUntilNextAttempt } from './errands.ts'
import { observe } from './observe.ts'
import type { FailedErrand, Observed } from './observed.ts'
import { isJoined, restingError } from './resting.ts'
import { Streaks } from './streaks.ts'
import { namingSupply } from './supply.ts'
import { askWhetherTokenIsSpent, FIRST_QUESTION_MS } from './token-question.ts'
import { Tally, type Attempts } from './tally.ts'
import { Told } from './told.ts'
import { statusOf, type StatusBody, type StatusInput } from './status.ts'

export interface LoopPorts extends AgentPorts {
  /** Hears where the node stands; it must not throw. */
  report: (status: StatusBody, attempts: readonly Attempts[]) => void
}

/** Timers follow the wall clock: a suspended or stepped machine is noticed within this. */
const LONGEST_SLEEP_MS = 60_000
/** No action takes longer: a watch ends after 5 minutes, and what else there is has its own limits below that. */
const LONGEST_ACTION_MS = 15 * 60_000
/** By how much a loaded machine may be late. */
const PROMISE_GRACE_MS = 60_000

export class Loop {
  readonly #ports: LoopPorts
  readonly #once: boolean
  readonly #memory = newMemory()
  readonly #streaks = new Streaks()
  readonly #tally = new Tally()
  #configuration: JoinConfiguration
  #wake = new AbortController()
  #attemptBeganMs: number
  #failure: StatusInput['failure']
  #resting: string | undefined
  #seen: Observed = NOTHING_SEEN
  readonly #told: Told
  /** What was decided last, and whether it has succeeded since. */
  #last: { kind: Action['kind']; succeeded: boolean } | undefined
  /** When, by the monotonic clock, it will have come round again. */
  #promisedMs: number

  constructor(ports: LoopPorts, configuration: JoinConfiguration, once: boolean) {
    this.#ports = ports
    this.#configuration = configuration
    this.#once = once
    this.#told = new Told(ports.log)
    this.#attemptBeganMs = ports.clock.monotonicMs()
    this.#promisedMs = this.#attemptBeganMs + LONGEST_ACTION_MS
    this.#askLater()
  }

  /** It has not come round as it promised: something in it hangs, although the process may be well. */
  get isOverdue(): boolean {
    return this.#ports.clock.monotonicMs() > this.#promisedMs
  }

  /** The last failure, until something succeeds. */
  get failure(): BootstrapError | undefined {
    return this.#failure?.error
  }

  /** From now on `configuration` counts: whatever is under way is broken off and looked at anew. */
  reconfigure(configuration: JoinConfiguration): void {
    this.#configuration = configuration
    this.#beginAnew()
  }

  /** The operator asks: wait no longer, and ask again for what was refused. */
  retryNow(): void {
    this.#memory.retryRefused = true
    this.#beginAnew()
  }

  /** Who runs once ends with the join, and asks nothing after it. */
  #askLater(): void {
    if (this.#once) return
    const nowMs = this.#ports.clock.nowMs()
    this.#memory.nextTokenQuestionMs = nowMs + FIRST_QUESTION_MS
    this.#memory.nextRecheckMs = nowMs
  }

  #beginAnew(): void {
    this.#memory.acceptedToken = undefined
    this.#memory.filedWith = undefined
    this.#askLater()
    this.#memory.failedRecheck = undefined
    this.#memory.failedHooks = undefined
    this.#memory.rediscoveryFailed = false
    this.#last = undefined
    this.#streaks.clear()
    this.#resting = undefined
    this.#told.beginAnew()
    this.#attemptBeganMs = this.#ports.clock.monotonicMs()
    this.#wake.abort()
  }

  /** Resolves with whether `once` is done; otherwise when stopped. Rejects only with `once`, with what stands in the way. */
  async run(stop: AbortSignal): Promise<boolean> {
    while (!stop.aborted) {
      if (this.#wake.signal.aborted) this.#wake = new AbortController()
      this.#promiseWithin(LONGEST_ACTION_MS)
      const signal = AbortSignal.any([stop, this.#wake.signal])
      try {
        if ((await this.#turn(signal, stop)) === 'done') return true
      } catch (thrown) {
        if (!signal.aborted) await this.#fail(asBootstrapError(thrown), signal)
      }
    }
    return false
  }

  async #turn(signal: AbortSignal, stopped: AbortSignal): Promise<'done' | 'again'> {
    const { files, clock, configurationPath } = this.#ports
    const configuration = this.#configuration
    const seen = await observe(files, configuration, configurationPath, this.#memory)
    this.#told.tell(seen)
    const action = decide(seen, clock.nowMs())
    if (action.kind === 'rest') return await this.#rest(action, seen, signal)
    this.#refuseToSpin(action)
    // Whoever comes back from an errand rests as before.
    if (!isErrand(action.kind)) this.#resting = undefined
    this.#report(seen, action)
    const onProgress = (): void => {
      this.#report({ ...seen, request: this.#memory.request }, action)
    }
    await act(action, this.#context(seen, onProgress, signal, stopped))
    this.#last = { kind: action.kind, succeeded: true }
    this.#tally.add(action.kind, 'succeeded')
    if (action.kind === 'recheck') this.#memory.failedRecheck = undefined
    if (action.kind === 'run-hooks') this.#memory.failedHooks = undefined
    // An errand is no step of the way: what has failed there goes on failing.
    if (isErrand(action.kind)) return 'again'
    this.#attemptBeganMs = clock.monotonicMs()
    this.#failure = undefined
    return 'again'
  }

  #context(seen: Observed, onProgress: () => void, signal: AbortSignal, stopped: AbortSignal): ActionContext {
    const [ports, configuration, memory] = [this.#ports, this.#configuration, this.#memory]
    const about = { kind: CLIENT, certificate: seen, certificateMemory: memory }
    return { ports, configuration, seen, memory, ...about, onProgress, signal, stopped }
  }

  /** What has just succeeded and is needed again is not done over and over: that is a failure, and waits as one. */
  #refuseToSpin({ kind }: Action): void {
    const isRepeated = this.#last?.kind === kind && this.#last.succeeded && kind !== 'await-outcome'
    this.#last = { kind, succeeded: false }
    if (isRepeated)
      throw new BootstrapError('internal', `${kind} has succeeded, and yet is to be done again`, {
        hint: 'look for another program that changes the files, or two paths in files that are the same place',
      })
  }

  async #rest(action: Action & { kind: 'rest' }, seen: Observed, signal: AbortSignal): Promise<'done' | 'again'> {
    const { clock, client } = this.#ports
    this.#failure = undefined
    this.#last = undefined
    if (action.because !== 'refused') this.#streaks.clear()
    const error = restingError(seen, action.because)
    const isDone = isJoined(action.because) && seen.violations.length === 0
    if (this.#once && error !== undefined && !isDone) throw error
    if (this.#resting !== action.because) this.#announce(action, seen)
    this.#resting = action.because
    this.#told.noticeOthers(seen, this.#memory)
    this.#report(seen, action)
    if (this.#once) return 'done'
    // A token of another discovery configuration may be that of another cluster.
    const mayAskAboutToken = action.because === 'fresh' && seen.trust.kind === 'verified'
    if (mayAskAboutToken && clock.nowMs() >= this.#memory.nextTokenQuestionMs) {
      await askWhetherTokenIsSpent(this.#context(seen, () => undefined, signal, signal))
      return 'again'
    }
    client.close()
    const nowMs = clock.nowMs()
    const untilNewsMs = Math.min(Math.max(action.untilMs - nowMs, 0), msUntilNextAttempt(seen, nowMs))
    await this.#sleep(Math.min(untilNewsMs, LONGEST_SLEEP_MS), signal)
    this.#attemptBeganMs = clock.monotonicMs()
    return 'again'
  }

  #announce(action: Action & { kind: 'rest' }, seen: Observed): void {
    const { log } = this.#ports
    const error = restingError(seen, action.because)
    if (error === undefined || action.because === 'fresh')
      log.info('joined', { node: this.#configuration.node.name, renewAt: timestamp(action.untilMs) })
    // What policy forbids is told with the findings.
    else if (error.code !== 'policy-violated') log.error(error.message, { code: error.code, hint: error.hint })
  }

  async #fail(thrown: BootstrapError, signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#ports
    const failed = this.#last?.succeeded === false ? this.#last.kind : undefined
    // A look that fails next is no failure of that action.
    this.#last = undefined
    this.#tally.add(failed ?? 'rest', thrown.code)
    this.#doubt(thrown, failed)
    if (!this.#once && failed !== undefined && isErrand(failed)) {
      this.#putOff(failed, thrown)
      return
    }
    const error = namingSupply(thrown, this.#seen, this.#configuration, clock.nowMs())
    const failure = {
      error,
      count: this.#streaks.count(error.code, clock.monotonicMs()),
      elapsedMs: clock.monotonicMs() - this.#attemptBeganMs,
      attemptMs: this.#configuration.discovery.timeoutMs,
    }
    const transient = isTransient(failure)
    // Who is told to come back only after the attempt is over need not wait for it.
    const soonestMs = failure.elapsedMs + (error.retryAfterMs ?? 0)
    const isOver = this.#once && (!transient || soonestMs >= failure.attemptMs)
    const delayMs = isOver ? undefined : retryDelayMs(failure, random.fraction())
    log[transient ? 'warn' : 'error'](error.message, {
      code: error.code,
      hint: error.hint,
      ...(delayMs === undefined ? {} : { retryInSeconds: Math.round(delayMs / 100) / 10 }),
    })
    if (error.code === 'internal') log.debug('where it came from', { stack: stackOf(error) })
    this.#failure = { error, transient, nextAttemptMs: delayMs === undefined ? undefined : clock.nowMs() + delayMs }
    await this.#reportFailure()
    if (delayMs === undefined) throw error
    await this.#sleep(Math.min(delayMs, msUntilLapse(this.#seen, clock.nowMs())), signal)
  }

  /** The next look goes on without it: what stands on the way is done, and then the agent rests until its next attempt. */
  #putOff(errand: 'run-hooks' | 'recheck', error: BootstrapError): void {
    const { clock, random, log } = this.#ports
    const [memory, nowMs] = [this.#memory, clock.nowMs()]
    const certificate = this.#seen.hooks?.certificate ?? ''
    const before = errand === 'recheck' ? memory.failedRecheck : this.#seen.failedHooks
    const count = (before?.count ?? 0) + 1
    const longestMs = errand === 'run-hooks' ? LONGEST_ERRAND_PAUSE_MS : undefined
    const failure = { error, count, elapsedMs: 0, attemptMs: Infinity, longestMs }
    const delayMs = retryDelayMs(failure, random.fraction())
    const failed: FailedErrand = { error, count, nextAttemptMs: nowMs + delayMs }
    if (errand === 'recheck') memory.failedRecheck = failed
    else memory.failedHooks = { ...failed, certificate }
    const retryInSeconds = Math.round(delayMs / 100) / 10
    log.warn(error.message, { code: error.code, hint: error.hint, retryInSeconds })
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.#promiseWithin(ms)
    await this.#ports.clock.sleep(ms, signal)
  }

  #promiseWithin(ms: number): void {
    this.#promisedMs = this.#ports.clock.monotonicMs() + ms + PROMISE_GRACE_MS
  }

  /**
   * A server that the verified CA no longer vouches for may mean that the CA was replaced. Where more than a token decides
   * what is believed, the cluster is discovered again; otherwise that would be to believe whoever answers. A credential
   * that came with the kubeconfig of an https server and is refused may have been replaced there.
   */
  #doubt(error: BootstrapError, failed: Action['kind'] | undefined): void {
    const { discovery, bootstrap } = this.#configuration
    const isAnchored = discovery.kind !== 'token' || discovery.caCertHashes.length > 0 || discovery.caFile !== undefined
    const isHandedOut = discovery.kind === 'https' && bootstrap.token === undefined
    const failedDiscovery = failed === 'discover'
    this.#memory.rediscoveryFailed = failedDiscovery
    this.#memory.doubtsCluster =
      !failedDiscovery &&
      ((isAnchored && error.code === 'server-untrusted') || (isHandedOut && error.code === 'unauthorized'))
  }

  #report(seen: Observed, action: Action): void {
    const { clock, report } = this.#ports
    this.#seen = seen
    const nowMs = clock.nowMs()
    const status = statusOf({ configuration: this.#configuration, seen, action, failure: this.#failure, nowMs })
    report(status, this.#tally.attempts)
  }

  /** Looking may itself be what failed: then what was seen last is told. */
  async #reportFailure(): Promise<void> {
    const { files, configurationPath } = this.#ports
    const looking = observe(files, this.#configuration, configurationPath, this.#memory)
    const seen = await looking.catch(() => this.#seen)
    this.#report(seen, decide(seen, this.#ports.clock.nowMs()))
  }
}

/** Of the innermost cause: that is where the defect is. Stacks hold no values. */
const stackOf = (error: BootstrapError): string =>
  error.cause instanceof Error ? (error.cause.stack ?? '').split('\n').slice(1, 6).join(' | ') : ''
