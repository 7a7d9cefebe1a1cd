/**
 * Runs the hooks that are due for the certificate in force, each at least once until it succeeds. A hook that fails is told
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
import { verifiedCluster, type ActionContext } from '../context.ts'
import type { DueHook, DueHooks } from '../hooks.ts'

const SYSTEMCTL = '/usr/bin/systemctl'
/** Of one hook's output; what comes after is not logged. */
const MAX_LINES = 200

export async function runHooks(context: ActionContext): Promise<void> {
  const due = context.certificate.hooks
  if (due === undefined) throw new BootstrapError('internal', 'there are no hooks to run')
  const { files } = context.ports
  const state = stateDirectory(context.configuration.files, context.kind)
  const { certificate, event, hooks } = due
  const environment = hookEnvironment(context, due)
  const done = [...due.done]
  const failures: BootstrapError[] = []
  for (const hook of hooks) {
    // Those that are left may have been changed, or taken out, by the hook that has just edited join.yaml.
    context.signal.throwIfAborted()
    const failure = await runHook(context, hook, environment)
    if (failure !== undefined) failures.push(failure)
    else {
      done.push(hook.digest)
      await writeHookRecord(files, state, { certificate, event, done, isComplete: false })
    }
  }
  if (failures[0] !== undefined) throw failures[0]
  await writeHookRecord(files, state, { certificate, event, done, isComplete: true })
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
