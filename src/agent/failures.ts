/** What a failure means: for how long what has failed is left alone, whether the cluster is in doubt, and what the log is told. */
import type { JoinConfiguration } from '../config/index.ts'
import type { BootstrapError } from '../lib/errors.ts'
import { memoryOf } from './certificate-kind.ts'
import type { AgentPorts } from './context.ts'
import { msUntilLapse, standingOf, type Action } from './decide.ts'
import { raisesDoubt } from './doubt.ts'
import { isDeferrable, putOff, type Deferrable } from './errands.ts'
import type { Memory, Observed, SeenCertificate } from './observed.ts'
import { namingSupply } from './supply.ts'
import type { Track } from './track.ts'

/** What has failed. */
export interface Failed {
  track: Track
  /** Undefined where it was a look, or a rest. */
  action: Action['kind'] | undefined
  error: BootstrapError
  /** What was seen last. */
  seen: Observed
  configuration: JoinConfiguration
}

export class Failures {
  readonly #ports: AgentPorts
  readonly #memory: Memory
  /** What runs once ends with what trying again soon does not mend. */
  readonly #once: (track: Track) => boolean

  constructor(ports: AgentPorts, memory: Memory, once: (track: Track) => boolean) {
    this.#ports = ports
    this.#memory = memory
    this.#once = once
  }

  /** The error that is the end; undefined where there is another attempt. */
  take(failed: Failed): BootstrapError | undefined {
    const { clock, random, log } = this.#ports
    const { track, action, seen, configuration } = failed
    const once = this.#once(track)
    this.#doubt(failed)
    if (!once && action !== undefined && isDeferrable(action, this.#isRenewalDue(failed))) {
      this.#putOff(action, failed)
      return undefined
    }
    const error = namingSupply(failed.error, seen, configuration, clock.nowMs())
    const { transient, nextAttemptMs } = track.fail(error, {
      attemptMs: configuration.discovery.timeoutMs,
      once,
      fraction: random.fraction(),
      msUntilLapse: msUntilLapse(seen, clock.nowMs()),
    })
    this.#tell(transient ? 'warn' : 'error', error, nextAttemptMs)
    if (error.code === 'internal') log.debug('where it came from', { stack: stackOf(error) })
    return nextAttemptMs === undefined ? error : undefined
  }

  #isRenewalDue(failed: Failed): boolean {
    const certificate = certificateIn(failed)
    return certificate !== undefined && standingOf(certificate.identity, this.#ports.clock.nowMs()) === 'due'
  }

  /** The next look goes on without it: what stands on the way is done, and then the agent rests until its next attempt. */
  #putOff(errand: Deferrable, failure: Failed): void {
    const { clock, random } = this.#ports
    const { track, error } = failure
    const certificate = certificateIn(failure)
    const memory = memoryOf(this.#memory, track.kind)
    const failed = {
      recheck: this.#memory.failedRecheck,
      'run-hooks': certificate?.failedHooks,
      protect: memory.failedProtection,
      restore: memory.failedRestore,
      publish: this.#memory.failedPublish,
    }
    const put = putOff(errand, error, failed[errand], { nowMs: clock.nowMs(), fraction: random.fraction() })
    if (errand === 'recheck') this.#memory.failedRecheck = put
    else if (errand === 'protect') memory.failedProtection = put
    else if (errand === 'restore') memory.failedRestore = put
    else if (errand === 'publish') this.#memory.failedPublish = put
    else memory.failedHooks = { ...put, certificate: certificate?.hooks?.certificate ?? '' }
    this.#tell('warn', error, put.nextAttemptMs)
  }

  #tell(level: 'warn' | 'error', { message, code, hint }: BootstrapError, nextAttemptMs: number | undefined): void {
    const { clock, log } = this.#ports
    const delayMs = nextAttemptMs === undefined ? undefined : nextAttemptMs - clock.nowMs()
    const retry = delayMs === undefined ? {} : { retryInSeconds: Math.round(delayMs / 100) / 10 }
    log[level](message, { code, hint, ...retry })
  }

  /** What failed for a serving certificate says nothing against a discovery. */
  #doubt({ track, action, error, configuration }: Failed): void {
    const failedDiscovery = action === 'discover'
    const isDoubtful = !failedDiscovery && raisesDoubt(error, configuration)
    if (track.kind.name === 'serving') {
      this.#memory.doubtsCluster ||= isDoubtful
      return
    }
    this.#memory.rediscoveryFailed = failedDiscovery
    this.#memory.doubtsCluster = isDoubtful
  }
}

/** What was seen of the certificate that it failed for. */
const certificateIn = ({ track, seen }: Failed): SeenCertificate | undefined =>
  track.kind.name === 'serving' ? seen.serving : seen

/** Of the innermost cause: that is where the defect is. Stacks hold no values. */
const stackOf = (error: BootstrapError): string =>
  error.cause instanceof Error ? (error.cause.stack ?? '').split('\n').slice(1, 6).join(' | ') : ''
