/** Sends the one signal that a command sends: SIGHUP to the agent, whose pid the instance lock has just vouched for. */
import { BootstrapError } from '../lib/errors.ts'
import { textAt } from '../lib/json.ts'

/** Throws `not-running` where the process has ended by now, and `storage-denied` where it is another user's. */
export function sendHangUp(pid: number): void {
  try {
    process.kill(pid, 'SIGHUP')
  } catch (cause) {
    if (textAt(cause, 'code') === 'ESRCH')
      throw new BootstrapError('not-running', `the agent (pid ${pid}) has ended`, { cause })
    throw new BootstrapError('storage-denied', `the agent (pid ${pid}) belongs to another user`, {
      hint: 'run it as the user that the agent runs as, root by default',
      cause,
    })
  }
}
