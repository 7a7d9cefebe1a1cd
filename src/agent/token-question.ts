/**
 * Asks the verified cluster, rarely and only once the node has joined, whether it still accepts the bootstrap token that
 * made this machine a node. An answer changes what `status` tells and nothing else; no answer is no news.
 */
import { BootstrapError } from '../lib/errors.ts'
import type { ActionContext } from './context.ts'
import { apiServer } from './context.ts'
import { readBootstrapToken } from './credentials.ts'

/** By then a token that was made for one join may be gone; and a machine that is only tried out never asks. */
export const FIRST_QUESTION_MS = 10 * 60 * 1000
/** A quarter of a kubeadm token's default life: four requests of a node a day. */
export const NEXT_QUESTION_MS = 6 * 60 * 60 * 1000

/** Never throws. Sets what is known of the token in `memory`, and when it is asked again. */
export async function askWhetherTokenIsSpent(context: ActionContext): Promise<void> {
  const { ports, configuration, memory, signal } = context
  const { clock, client, files, log, credentialsDirectory } = ports
  memory.nextTokenQuestionMs = clock.nowMs() + NEXT_QUESTION_MS
  try {
    const token = await readBootstrapToken(files, configuration, credentialsDirectory)
    if (token === undefined) {
      memory.acceptedToken = undefined
      return
    }
    const isAccepted = await isAuthenticated(
      client.request(await apiServer(context, 'bootstrap'), { method: 'GET', path: '/version', signal }),
    )
    memory.acceptedToken = isAccepted ? { id: token.id, atMs: clock.nowMs() } : undefined
    log.debug(`the bootstrap token is ${isAccepted ? 'still accepted' : 'no longer accepted'}`, { token: token.id })
  } catch (thrown) {
    log.debug('whether the bootstrap token is still accepted could not be found out', {
      why: thrown instanceof Error ? thrown.message : '',
    })
  }
}

/** An API server refuses a bearer token that it does not know with 401, whatever is asked for; 403 means that it knows it. */
async function isAuthenticated(answer: Promise<unknown>): Promise<boolean> {
  try {
    await answer
    return true
  } catch (thrown) {
    if (thrown instanceof BootstrapError && thrown.code === 'forbidden') return true
    if (thrown instanceof BootstrapError && thrown.code === 'unauthorized') return false
    throw thrown
  }
}
