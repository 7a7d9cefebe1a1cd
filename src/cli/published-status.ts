/**
 * status.json as commands see it: what the agent published, whether that agent still lives, and what has become untrue
 * since. It asks the agent nothing: any user may look.
 */
import { systemClock } from '../adapters/clock.ts'
import { nodeFiles } from '../adapters/files.ts'
import { processStartTime } from '../adapters/process-identity.ts'
import type { CertificateKind } from '../agent/certificate-kind.ts'
import { asOf } from '../agent/joined.ts'
import type { Status } from '../agent/status.ts'
import { DEFAULT_PATH, DEFAULT_RUNTIME_DIRECTORY, readConfiguration } from '../compose/configuration-file.ts'
import { BootstrapError, errorCodes, EXIT, type ErrorCode, type ExitStatus } from '../lib/errors.ts'
import { numberAt } from '../lib/json.ts'
import { readStatusFile } from '../store/status-file.ts'
import type { Invocation } from './invocation.ts'

export interface PublishedStatus {
  status: Status
  /** Whether the agent that published it still runs. */
  runs: boolean
}

/** Undefined where no agent has run yet. */
export async function readPublishedStatus(runtimeDirectory: string): Promise<PublishedStatus | undefined> {
  const document = await readStatusFile(nodeFiles, runtimeDirectory)
  if (numberAt(document, 'version') !== 1) return undefined
  const status = asOf(document as Status, systemClock.nowMs())
  return { status, runs: processStartTime(status.program.pid) === status.program.startTime }
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
