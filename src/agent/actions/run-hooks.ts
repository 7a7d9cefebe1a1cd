/**
 * Runs the hooks that are due for the certificate in force, each at least once until it succeeds, and one at a time: the loop
 * looks in between, so that neither a renewal nor a new configuration waits for more than one of them. A hook that fails is told
 * and tried again by the loop; it never keeps another from running, and never undoes an installation.
 */
import type { Hook } from '../../config/index.ts'
import { BootstrapError } from '../../lib/errors.ts'
import type { ProcessEnd } from '../../lib/ports.ts'
import { printable } from '../../lib/text.ts'
import { timestamp } from '../../lib/timestamp.ts'
import { currentPairPath } from '../../store/certificate-pair.ts'
import { writeHookRecord } from '../../store/hook-record.ts'
import { pairPlace, stateDirectory } from '../certificate-kind.ts'
import { verifiedCluster, type ActionContext, type Extent } from '../context.ts'
import type { DueHook, DueHooks } from '../hooks.ts'
import type { CertificateMemory } from '../observed.ts'

const SYSTEMCTL = '/usr/bin/systemctl'
/** Of one hook's output; what comes after is not logged. */
const MAX_LINES = 200

/** Runs the next one. A round has each that is due once; what went wrong in it is thrown at its end. */
export async function runHooks(context: ActionContext): Promise<Extent> {
  const { ports, configuration, kind, certificateMemory } = context
  const due = context.certificate.hooks
  if (due === undefined) throw new BootstrapError('internal', 'there are no hooks to run')
  const { certificate, event, hooks } = due
  const record = async (done: readonly string[], isComplete: boolean): Promise<void> => {
    await writeHookRecord(ports.files, stateDirectory(configuration.files, kind), {
      certificate,
      event,
      done,
      isComplete,
    })
  }
  const ended = roundOf(certificateMemory, certificate)
  const [next, ...others] = hooks.filter(({ digest }) => !ended.has(digest))
  const done = [...due.done]
  if (next !== undefined) {
    const failure = await runHook(context, next, hookEnvironment(context, due))
    if (failure === undefined) {
      done.push(next.digest)
      await record(done, false)
    }
    // Not before: one whose success could not be written down is run again. Where a reload has begun another round, it counts there.
    roundOf(certificateMemory, certificate).set(next.digest, failure)
    if (others.length > 0) return 'in part'
  }
  const round = roundOf(certificateMemory, certificate)
  certificateMemory.hookRound = undefined
  const failure = hooks.map(({ digest }) => round.get(digest)).find((each) => each !== undefined)
  if (failure !== undefined) throw failure
  await record(done, true)
  return 'whole'
}

function roundOf(memory: CertificateMemory, certificate: string): Map<string, BootstrapError | undefined> {
  if (memory.hookRound?.certificate !== certificate) memory.hookRound = { certificate, ended: new Map() }
  return memory.hookRound.ended
}

/** What went wrong; undefined where it succeeded. Throws where the agent is told to stop: the hook is run again then. */
async function runHook(
  { ports, during, stopped }: ActionContext,
  { hook, name }: DueHook,
  environment: Readonly<Record<string, string>>,
): Promise<BootstrapError | undefined> {
  const { log, processes } = ports
  let count = 0
  log.info('a hook begins', { hook: name })
  const onLine = (line: string): void => {
    count += 1
    if (count <= MAX_LINES) log.info('a hook says', { hook: name, output: printable(line, 500) })
    else if (count === MAX_LINES + 1) log.warn('a hook says more than is logged', { hook: name })
  }
  const { timeoutMs } = hook
  const request = { argv: argvOf(hook), environment, timeoutMs, signal: stopped, onLine }
  const end = await during(timeoutMs, () => processes.run(request))
  if (stopped.aborted) throw new BootstrapError('stopped', `${name} was stopped with the agent`)
  if (end.kind === 'exited' && end.status === 0) {
    log.info('a hook has succeeded', { hook: name })
    return undefined
  }
  return new BootstrapError('hook-failed', `${name} ${sentence(end, hook)}`)
}

const argvOf = (hook: Hook): readonly string[] =>
  hook.kind === 'command' ? hook.command : [SYSTEMCTL, 'reload-or-restart', '--', ...hook.units]

function sentence(end: ProcessEnd, { timeoutMs }: Hook): string {
  switch (end.kind) {
    case 'exited':
      return `ended with status ${end.status}`
    case 'signalled':
      return `was ended by ${end.signal}`
    case 'timed-out':
      return `was still running after ${timeoutMs / 1000} s`
    case 'not-started':
      return `cannot be started (${end.reason})`
  }
}

/** What has changed, for the hook to look at. No secret: the certificate's file is named, not its content. */
function hookEnvironment(context: ActionContext, { event, certificate }: DueHooks): Record<string, string> {
  const { configuration, kind } = context
  const { identity } = context.certificate
  const { kubeconfig, ca } = configuration.files
  const notAfterMs = identity.kind === 'ours' ? identity.pair.certificate.notAfterMs : 0
  return {
    NODE_BOOTSTRAP_EVENT: event,
    NODE_BOOTSTRAP_CERTIFICATE_KIND: kind.name,
    NODE_BOOTSTRAP_NODE: configuration.node.name,
    NODE_BOOTSTRAP_SERVER: verifiedCluster(context).cluster.server.href.replace(/\/$/, ''),
    NODE_BOOTSTRAP_KUBECONFIG: kubeconfig,
    NODE_BOOTSTRAP_CA: ca,
    NODE_BOOTSTRAP_CERTIFICATE: currentPairPath(pairPlace(configuration.files, kind)),
    NODE_BOOTSTRAP_FINGERPRINT: `SHA256:${certificate}`,
    NODE_BOOTSTRAP_NOT_AFTER: timestamp(notAfterMs),
  }
}
