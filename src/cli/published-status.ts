/**
 * status.json as commands see it: what the agent published, whether that agent still lives, and what has become untrue
 * since. It asks the agent nothing: any user may look.
 */
import { systemClock } from '../adapters/clock.ts'
import { nodeFiles } from '../adapters/files.ts'
import { instanceLockHolder } from '../adapters/instance-lock.ts'
import { obstacleToWriting } from '../adapters/obstacle-to-writing.ts'
import { processStartTime } from '../adapters/process-identity.ts'
import type { CertificateKind } from '../agent/certificate-kind.ts'
import { asOf } from '../agent/joined.ts'
import type { Status } from '../agent/status.ts'
import { DEFAULT_PATH, DEFAULT_RUNTIME_DIRECTORY, readConfiguration } from '../compose/configuration-file.ts'
import { errorCodes, EXIT, type ErrorCode, type ExitStatus } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import { readStatusFile, STATUS_STAMPED_EVERY_MS, statusPath } from '../store/status-file.ts'
import type { Invocation } from './invocation.ts'
import { isStatus } from './status-document.ts'

export interface PublishedStatus {
  status: Status
  /** Whether the agent that published it still runs. */
  runs: boolean
  /** When it was written, where the agent that runs should have written it again since: it may be no longer so. */
  behindSinceMs?: number
}

/** It runs, and keeps it true. */
export const isKept = ({ runs, behindSinceMs }: PublishedStatus): boolean => runs && behindSinceMs === undefined

/** A write or two may be late; a clock that was set looks like more, until the next one. */
const LATEST_STAMP_MS = 3 * STATUS_STAMPED_EVERY_MS

/** Undefined where no agent has run yet, and for what no agent wrote. */
export async function readPublishedStatus(runtimeDirectory: string): Promise<PublishedStatus | undefined> {
  const document = await readStatusFile(nodeFiles, runtimeDirectory)
  if (!isStatus(document)) return undefined
  const nowMs = systemClock.nowMs()
  const status = asOf(document, nowMs)
  const runs = processStartTime(status.program.pid) === status.program.startTime
  const writtenMs = (await nodeFiles.stat(statusPath(runtimeDirectory)))?.modifiedMs ?? nowMs
  const isBehind = runs && Math.abs(nowMs - writtenMs) > LATEST_STAMP_MS
  return { status, runs, ...(isBehind ? { behindSinceMs: writtenMs } : {}) }
}

/**
 * Why nothing is known of an agent: none runs, or, as far as who asks may read its lock, one does that cannot publish
 * anything.
 */
export async function absenceError({ values }: Invocation, directory: string): Promise<BootstrapError> {
  const path = typeof values['config'] === 'string' ? values['config'] : DEFAULT_PATH
  const configuration = await readConfiguration(nodeFiles, path).catch(() => undefined)
  const pid = configuration?.files.runtime === directory ? instanceLockHolder(configuration.files.state) : undefined
  const why = obstacleToWriting(directory)
  const is = await absence(directory)
  if (pid !== undefined)
    return new BootstrapError(
      'status-not-kept',
      `the agent runs (pid ${pid}), and ${is.what}${why === undefined ? is.asYet : `: ${why}`}`,
    )
  return new BootstrapError('not-running', `${is.what}${why === undefined ? '' : ` (${why})`}: ${is.because}`)
}

/** `asYet`: what is to be added where an agent runs that may well write one. */
async function absence(directory: string): Promise<{ what: string; asYet: string; because: string }> {
  const path = statusPath(directory)
  return (await nodeFiles.stat(path)) === undefined
    ? {
        what: `there is no status in ${directory}`,
        asYet: ' yet',
        because: 'no agent has run here, or the one that runs cannot write there',
      }
    : {
        what: `${path} is no status that this version can show`,
        asYet: '',
        because: 'another version of the agent wrote it, or none did',
      }
}

/** The certificate of that kind that is in force, as far as it is published. */
export const publishedCertificate = (status: Status, { name }: CertificateKind): Status['certificate'] =>
  name === 'serving' ? status.serving?.certificate : status.certificate

/** From --runtime, or files.runtime of --config. */
export async function runtimeDirectory({ values }: Invocation): Promise<string> {
  const { config, runtime } = values
  if (typeof runtime === 'string') return runtime
  return await configuredDirectory(typeof config === 'string' ? config : undefined)
}

/** join.yaml may not be readable for this user, or hold a mistake just now: then the agent is looked for where it usually is. */
async function configuredDirectory(path: string | undefined): Promise<string> {
  try {
    return (await readConfiguration(nodeFiles, path ?? DEFAULT_PATH)).files.runtime
  } catch (cause) {
    if (path === undefined) return DEFAULT_RUNTIME_DIRECTORY
    throw new BootstrapError('config-unreadable', `${path} cannot be used to find the status of its agent`, {
      cause,
      hint: 'say where it is: --runtime DIR, with DIR as in files.runtime; validate shows what is wrong with the file',
    })
  }
}

export function exitStatusOf({ state, problem }: Status): ExitStatus {
  if (state === 'healthy') return EXIT.ok
  if (state === 'waiting') return EXIT.temporary
  return problem !== undefined && isErrorCode(problem.code) ? errorCodes[problem.code].exit : EXIT.software
}

/** What another version of the agent wrote may have a code that this one does not know. */
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code)
