/** Builds the agent from its adapters and runs it as a process: signals, reload, status, and an orderly end. */
import { systemClock, systemRandom } from '../adapters/clock.ts'
import { nodeFiles } from '../adapters/files.ts'
import { collectGarbage } from '../adapters/garbage.ts'
import { GotHttp } from '../adapters/http.ts'
import { acquireInstanceLock } from '../adapters/instance-lock.ts'
import { createLog, type ClosableLog } from '../adapters/log.ts'
import { systemNetwork } from '../adapters/network.ts'
import { createNotify } from '../adapters/notify.ts'
import { systemProcesses } from '../adapters/processes.ts'
import { nameThisProcess, processStartTime } from '../adapters/process-identity.ts'
import { CLIENT, SERVING, stateDirectory } from '../agent/certificate-kind.ts'
import { Loop } from '../agent/loop.ts'
import type { StatusBody } from '../agent/status.ts'
import type { JoinConfiguration } from '../config/index.ts'
import { ApiClient } from '../kube/api-request.ts'
import { asBootstrapError, type BootstrapError } from '../lib/errors.ts'
import type { Log, LogFields, Notify } from '../lib/ports.ts'
import { USER_AGENT, VERSION } from '../lib/version.ts'
import { readAskedRenewal } from '../store/asked-renewal.ts'
import { ConfigurationWatch } from './configuration-watch.ts'
import { ConfigurationSource } from './configuration-source.ts'
import { stoppedEarly, timedOut, type Goal } from './goal.ts'
import { logStyle } from './log-style.ts'
import { lockState } from './state-lock.ts'
import { StatusReporter } from './status-reporter.ts'
import { feedWatchdog, watchdogIntervalMs } from './watchdog.ts'

export interface RunOptions {
  configurationPath: string
  /** End when this is reached, or cannot be; undefined: never. */
  once: Goal | undefined
  /** With `once`: give up after this. */
  timeoutMs: number | undefined
  environment: NodeJS.ProcessEnv
}

/** What is still running after this has been told to stop is cut off. */
const STOP_GRACE_MS = 900

/** Resolves when stopped or, with `once`, joined; rejects with the BootstrapError that ends it. Errors of a run are logged here. */
export async function runAgent(options: RunOptions): Promise<void> {
  nameThisProcess('node-bootstrap')
  const source = await ConfigurationSource.open(nodeFiles, options.configurationPath)
  const { configuration } = source
  const logger = createLog(configuration.log.level, logStyle(configuration.log.format, options.environment))
  const stop = stopOnSignals(() => {
    // An RSA key may be in the making, for which process.exit would wait.
    if (source.configuration.certificate.keyAlgorithm.startsWith('RSA')) endBySignal()
    else if (options.once !== undefined) endWith(stoppedEarly(options.once), logger)
    else process.exit()
  })
  endOnDefect(logger)
  try {
    const lock = await lockState(() => acquireInstanceLock(nodeFiles, configuration.files.state), {
      clock: systemClock,
      log: logger.log,
    })
    try {
      await runLoop(options, source, logger, AbortSignal.any([stop.signal, lock.lost])).finally(() => {
        lock.lost.throwIfAborted()
      })
    } finally {
      await lock.release()
    }
  } finally {
    stop.disarm()
    await logger.close()
  }
}

async function runLoop(
  options: RunOptions,
  source: ConfigurationSource,
  logger: ClosableLog,
  stopped: AbortSignal,
): Promise<void> {
  const { log } = logger
  const { configuration } = source
  const http = new GotHttp(options.environment)
  const notify = createNotify(options.environment['NOTIFY_SOCKET'], log)
  const reporter = createReporter(configuration, notify, logger)
  await reporter.followTextfile(configuration.metrics.textfile)
  let last: StatusBody | undefined
  const loop = new Loop(
    {
      files: nodeFiles,
      network: systemNetwork,
      clock: systemClock,
      random: systemRandom,
      processes: systemProcesses,
      http,
      client: new ApiClient(http, systemClock, USER_AGENT),
      log,
      configurationPath: options.configurationPath,
      credentialsDirectory: options.environment['CREDENTIALS_DIRECTORY'],
      certificateFile: options.environment['SSL_CERT_FILE'],
      report: (body, attempts) => {
        last = body
        reporter.report(body, attempts)
      },
      onQuiet: collectGarbage,
    },
    configuration,
    options.once && (options.once.kind === SERVING ? 'served' : 'joined'),
  )
  log.info(`node-bootstrap ${VERSION} starts`, {
    node: configuration.node.name,
    configuration: options.configurationPath,
  })
  const reload = reloader(source, loop, reporter, logger, notify)
  const hangUp = (): void => void reload('asked')
  process.on('SIGHUP', hangUp)
  const limit = options.timeoutMs === undefined ? undefined : AbortSignal.timeout(options.timeoutMs)
  const running = loop.run(limit === undefined ? stopped : AbortSignal.any([stopped, limit]))
  void notify.ready()
  const feedMs = watchdogIntervalMs(options.environment, process.pid)
  if (feedMs !== undefined)
    void feedWatchdog(feedMs, () => loop.isOverdue, { clock: systemClock, log, notify }, stopped)
  const watch = new ConfigurationWatch(() => {
    void reload('changed').then(() => watch.follow(source.watchedPaths))
  })
  if (options.once === undefined) void watch.follow(source.watchedPaths)
  try {
    const isReached = await running
    if (!isReached && options.once !== undefined)
      throw limit?.aborted === true && !stopped.aborted
        ? timedOut(options.once, options.timeoutMs ?? 0, last)
        : stoppedEarly(options.once)
  } finally {
    process.off('SIGHUP', hangUp)
    if (stopped.aborted) log.info('node-bootstrap stops')
    await Promise.all([notify.stopping(), watch.close(), reporter.end()])
    http.close()
  }
}

function createReporter(configuration: JoinConfiguration, notify: Notify, { log }: ClosableLog): StatusReporter {
  const startTime = processStartTime(process.pid) ?? ''
  const program = { version: VERSION, pid: process.pid, startTime }
  return new StatusReporter({ files: nodeFiles, clock: systemClock, log, notify }, configuration.files.runtime, program)
}

/** A good new configuration takes effect at once; a bad one is told, and the last good one goes on. */
function reloader(
  source: ConfigurationSource,
  loop: Loop,
  reporter: StatusReporter,
  { log, setLevel }: ClosableLog,
  notify: Notify,
): (why: 'asked' | 'changed') => Promise<void> {
  return async (why) => {
    if (why === 'asked') await notify.reloading()
    try {
      const news = await source.reload()
      reporter.setConfigurationProblem(undefined)
      if (news !== undefined) {
        log.info('the changed configuration is in force')
        if (news.files.runtime !== source.initial.files.runtime)
          log.warn('files.runtime takes effect at the next start', { until: source.initial.files.runtime })
        setLevel(news.log.level)
        await reporter.followTextfile(news.metrics.textfile)
        loop.reconfigure(news)
      }
      if (why === 'asked') {
        if (!(await tellAskedRenewals(source.configuration, log)) && news === undefined)
          log.info('asked to reload: the configuration is unchanged')
        loop.retryNow()
      }
    } catch (thrown) {
      const error = asBootstrapError(thrown)
      reporter.setConfigurationProblem(error.message)
      for (const line of error.message.split('\n'))
        log.error(`the changed configuration is not used, the last good one is: ${line}`, {
          code: error.code,
          hint: error.hint,
        })
    }
    if (why === 'asked') await notify.ready()
  }
}

/** `renew` leaves its word in files.state and sends SIGHUP. Whether there was one. */
async function tellAskedRenewals({ files }: JoinConfiguration, log: Log): Promise<boolean> {
  let isAsked = false
  for (const kind of [CLIENT, SERVING]) {
    // What cannot be read, the loop's own look tells of.
    const certificate = await readAskedRenewal(nodeFiles, stateDirectory(files, kind)).catch(() => undefined)
    if (certificate === undefined) continue
    isAsked = true
    log.info(`asked to renew the ${kind.title} now`, { certificate: `SHA256:${certificate}` })
  }
  return isAsked
}

function stopOnSignals(cutOff: () => void): { signal: AbortSignal; disarm: () => void } {
  const controller = new AbortController()
  const stop = (): void => {
    controller.abort()
    setTimeout(cutOff, STOP_GRACE_MS).unref()
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  return {
    signal: controller.signal,
    disarm: () => {
      process.off('SIGTERM', stop)
      process.off('SIGINT', stop)
    },
  }
}

/** By the signal's own effect, which waits for nothing; systemd takes it for a clean end. */
function endBySignal(): void {
  process.removeAllListeners('SIGTERM')
  process.kill(process.pid, 'SIGTERM')
}

/** Whatever still runs is cut off. */
function endWith(error: BootstrapError, { log }: ClosableLog, message = error.message, fields: LogFields = {}): void {
  log.error(message, { code: error.code, hint: error.hint, ...fields })
  process.exitCode = error.exitStatus
  setImmediate(() => process.exit())
}

/** Node would print a whole error object, and a library's may hold a request's headers: only its name and stack are told. */
function endOnDefect(logger: ClosableLog): void {
  const end = (thrown: unknown): void => {
    const stack = thrown instanceof Error ? (thrown.stack ?? '').split('\n').slice(1, 8).join(' | ') : ''
    const error = asBootstrapError(thrown)
    endWith(error, logger, `a defect ends the agent: ${error.message}`, { stack })
  }
  process.on('uncaughtException', end)
  process.on('unhandledRejection', end)
}
