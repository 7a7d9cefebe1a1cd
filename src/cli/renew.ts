/** `node-bootstrap renew`: a renewal of the node's certificate or of its server's now, by the agent that runs or, where none does, by this process in its place. */
import { instanceLockHolder } from '../adapters/instance-lock.ts'
import { nodeFiles } from '../adapters/files.ts'
import { sendHangUp } from '../adapters/signal.ts'
import type { Status } from '../agent/status.ts'
import { CLIENT, pairPlace, SERVING, stateDirectory, type CertificateKind } from '../agent/certificate-kind.ts'
import { obstacleTo } from '../agent/obstacle.ts'
import { runAgent, type RunOptions } from '../compose/agent.ts'
import { DEFAULT_PATH, readConfiguration } from '../compose/configuration-file.ts'
import type { JoinConfiguration } from '../config/index.ts'
import { oddities } from '../agent/oddities.ts'
import { errorCodes, EXIT, type ExitStatus } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import { askForRenewal } from '../store/asked-renewal.ts'
import { readCurrentPair } from '../store/certificate-pair.ts'
import { follow } from './follow.ts'
import type { Invocation } from './invocation.ts'
import {
  absenceError,
  isErrorCode,
  publishedCertificate,
  readPublishedStatus,
  type PublishedStatus,
} from './published-status.ts'
import { parseTimeout } from './timeout.ts'

export async function renew(invocation: Invocation): Promise<ExitStatus> {
  const { values } = invocation
  const timeoutMs = parseTimeout(values['timeout'])
  const configurationPath = typeof values['config'] === 'string' ? values['config'] : DEFAULT_PATH
  const kind = values['serving'] === true ? SERVING : CLIENT
  const configuration = await readConfiguration(nodeFiles, configurationPath)
  requireOurs(configuration, kind)
  const { files } = configuration
  const before = await currentFingerprint(files, kind)
  if (values['no-wait'] === true) return await onlyAsk(files, kind, before)
  await askForRenewal(nodeFiles, stateDirectory(files, kind), before)
  const once = { goal: 'renewed', kind } as const
  if (!(await renewHere({ configurationPath, once, timeoutMs, environment: process.env }, files.state))) {
    const { known } = await askAgent(files)
    await follow(files.runtime, {
      goal: 'renewed',
      kind,
      isReached: renewalReached(kind, before, known),
      absence: () => absenceError(invocation, files.runtime),
      timeoutMs,
      onNews: (line) => process.stderr.write(`${line}\n`),
    })
  }
  process.stdout.write(`renewed: the ${kind.title} in force is SHA256:${await currentFingerprint(files, kind)}\n`)
  return EXIT.ok
}

/** Throws `renewal-not-ours`. */
function requireOurs({ certificate }: JoinConfiguration, kind: CertificateKind): void {
  if (kind === CLIENT && certificate.rotation.owner === 'kubelet')
    throw new BootstrapError('renewal-not-ours', 'certificate.rotation.owner is kubelet: the agent does not renew')
  if (kind === SERVING && certificate.serving === undefined)
    throw new BootstrapError('renewal-not-ours', 'join.yaml has no certificate.serving: the agent asks for none', {
      hint: 'certificate.serving: {} would give the certificate for the kubelet’s server to the agent',
    })
}

/** Throws `not-running`: without an agent this command renews by itself, and that is to wait. */
async function onlyAsk(files: JoinConfiguration['files'], kind: CertificateKind, before: string): Promise<ExitStatus> {
  if (instanceLockHolder(files.state) === undefined)
    throw new BootstrapError('not-running', 'no agent runs that could be asked, and without one nothing is asked for', {
      hint: 'start it (systemctl start node-bootstrap), or leave out --no-wait: then this command renews by itself, and waits',
    })
  await askForRenewal(nodeFiles, stateDirectory(files, kind), before)
  const { pid } = await askAgent(files)
  process.stdout.write(`asked the agent (pid ${pid}) to renew the ${kind.title}\n`)
  return EXIT.ok
}

/** false where an agent runs, or begins to in this very moment: then the renewal is that one's. */
async function renewHere(options: RunOptions, stateDirectory: string): Promise<boolean> {
  if (instanceLockHolder(stateDirectory) !== undefined) return false
  try {
    await runAgent(options)
    return true
  } catch (thrown) {
    if (thrown instanceof BootstrapError && thrown.code === 'already-running') return false
    throw thrown
  }
}

/** What was published before the signal is known: what comes after it is about this renewal. */
async function askAgent(files: JoinConfiguration['files']): Promise<{ pid: number; known: Status | undefined }> {
  const pid = instanceLockHolder(files.state)
  if (pid === undefined) throw new BootstrapError('not-running', 'the agent has ended before it could be asked')
  const known = (await readPublishedStatus(files.runtime))?.status
  sendHangUp(pid)
  return { pid, known }
}

/** SHA-256, lower-case hex. Throws `not-joined`, or `not-serving`. */
async function currentFingerprint(configured: JoinConfiguration['files'], kind: CertificateKind): Promise<string> {
  const stored = await readCurrentPair(nodeFiles, pairPlace(configured, kind))
  if (stored.kind === 'pair') return stored.pair.certificate.fingerprint
  const what = stored.kind === 'absent' ? `there is no ${kind.title}` : oddities[stored.fault].says
  const code = kind === CLIENT ? 'not-joined' : 'not-serving'
  throw new BootstrapError(code, `${what} (${configured.certificates}): there is nothing to renew`)
}

/**
 * Throws the new problem that only a person can mend. One that was there before may be of an earlier request.
 * `before`: the fingerprint of what was in force, SHA-256, lower-case hex; `known`: what was published when it was asked for.
 */
export function renewalReached(
  kind: CertificateKind,
  before: string,
  known: Status | undefined,
): (published: PublishedStatus) => boolean {
  const old = known && obstacleTo(kind, known).problem
  return ({ status }) => {
    const { problem } = obstacleTo(kind, status)
    const certificate = publishedCertificate(status, kind)
    if (certificate !== undefined && certificate.fingerprint !== `SHA256:${before}`) return true
    if (problem === undefined || !isErrorCode(problem.code) || problem.message === old?.message) return false
    if (errorCodes[problem.code].retryable === false)
      throw new BootstrapError(problem.code, problem.message, { hint: problem.hint })
    return false
  }
}
