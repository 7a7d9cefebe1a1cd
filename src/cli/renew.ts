/** `node-bootstrap renew`: a renewal now, by the agent that runs or, where none does, by this process in its place. */
import { instanceLockHolder } from '../adapters/instance-lock.ts'
import { nodeFiles } from '../adapters/files.ts'
import { sendHangUp } from '../adapters/signal.ts'
import type { Status } from '../agent/status.ts'
import { CLIENT, pairPlace } from '../agent/certificate-kind.ts'
import { runAgent, type RunOptions } from '../compose/agent.ts'
import { DEFAULT_PATH, readConfiguration } from '../compose/configuration-file.ts'
import type { JoinConfiguration } from '../config/index.ts'
import { oddities } from '../agent/oddities.ts'
import { BootstrapError, errorCodes, EXIT, type ExitStatus } from '../lib/errors.ts'
import { askForRenewal } from '../store/asked-renewal.ts'
import { readCurrentPair } from '../store/certificate-pair.ts'
import { follow } from './follow.ts'
import type { Invocation } from './invocation.ts'
import { isErrorCode, readPublishedStatus, type PublishedStatus } from './published-status.ts'
import { parseTimeout } from './timeout.ts'

export async function renew({ values }: Invocation): Promise<ExitStatus> {
  const timeoutMs = parseTimeout(values['timeout'])
  const configurationPath = typeof values['config'] === 'string' ? values['config'] : DEFAULT_PATH
  const { certificate, files } = await readConfiguration(nodeFiles, configurationPath)
  if (certificate.rotation.owner === 'kubelet')
    throw new BootstrapError('renewal-not-ours', 'certificate.rotation.owner is kubelet: the agent does not renew')
  const before = await currentFingerprint(files)
  await askForRenewal(nodeFiles, files.state, before)
  if (!(await renewHere({ configurationPath, once: true, timeoutMs, environment: process.env }, files.state))) {
    const asked = await askAgent(files)
    if (values['no-wait'] === true) {
      process.stdout.write(`asked the agent (pid ${asked.pid}) to renew the certificate\n`)
      return EXIT.ok
    }
    await followRenewal(files.runtime, before, asked.known, timeoutMs)
  }
  process.stdout.write(`renewed: the certificate in force is SHA256:${await currentFingerprint(files)}\n`)
  return EXIT.ok
}

/** false where an agent runs, or begins to in this very moment: then the renewal is that one's. */
async function renewHere(options: RunOptions, stateDirectory: string): Promise<boolean> {
  if ((await instanceLockHolder(stateDirectory)) !== undefined) return false
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
  const pid = await instanceLockHolder(files.state)
  if (pid === undefined) throw new BootstrapError('not-running', 'the agent has ended before it could be asked')
  const known = (await readPublishedStatus(files.runtime))?.status
  sendHangUp(pid)
  return { pid, known }
}

/** SHA-256, lower-case hex. Throws `not-joined`. */
async function currentFingerprint(configured: JoinConfiguration['files']): Promise<string> {
  const stored = await readCurrentPair(nodeFiles, pairPlace(configured, CLIENT))
  if (stored.kind === 'pair') return stored.pair.certificate.fingerprint
  const what = stored.kind === 'absent' ? 'there is no certificate' : oddities[stored.fault].says
  throw new BootstrapError('not-joined', `${what} (${configured.certificates}): there is nothing to renew`)
}

async function followRenewal(
  runtimeDirectory: string,
  before: string,
  known: Status | undefined,
  timeoutMs: number | undefined,
): Promise<void> {
  await follow(runtimeDirectory, {
    goal: 'renewed',
    isReached: renewalReached(before, known),
    timeoutMs,
    onNews: (line) => process.stderr.write(`${line}\n`),
  })
}

/** Throws the new problem that only a person can mend. One that was there before may be of an earlier request. */
export function renewalReached(before: string, known: Status | undefined): (published: PublishedStatus) => boolean {
  return ({ status }) => {
    const { problem, certificate } = status
    if (certificate !== undefined && certificate.fingerprint !== `SHA256:${before}`) return true
    if (problem === undefined || !isErrorCode(problem.code) || problem.message === known?.problem?.message) return false
    if (errorCodes[problem.code].retryable === false)
      throw new BootstrapError(problem.code, problem.message, { hint: problem.hint })
    return false
  }
}
