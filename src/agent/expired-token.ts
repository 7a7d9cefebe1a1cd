/**
 * Tells a bootstrap token that has lapsed from one that was never good: the cluster answers both alike, but this node may
 * know that its token has verified that cluster, or has filed a request. It guesses no expiry.
 */
import { BootstrapError } from '../lib/errors.ts'
import { timestamp } from '../lib/timestamp.ts'
import type { ActionContext } from './context.ts'
import { readBootstrapToken } from './credentials.ts'
import type { Action } from './decide.ts'
import { discoveryDigest } from './digests.ts'

/** Whether the action may have shown the bootstrap token to the cluster. */
const isAsBootstrap = (action: Action): boolean => 'as' in action && action.as === 'bootstrap'

/** After `action` has succeeded. */
export async function rememberToken(action: Action, { ports, configuration, memory }: ActionContext): Promise<void> {
  if (action.kind !== 'submit' || !isAsBootstrap(action)) return
  // The request is filed: what has become of the token's file since cannot undo that.
  const token = await readBootstrapToken(ports.files, configuration, ports.credentialsDirectory).catch(() => undefined)
  memory.filedWith = token === undefined ? undefined : { tokenId: token.id, atMs: ports.clock.nowMs() }
}

/** What `action` has thrown, or `token-expired` where the token that is refused, or no longer signs, had been good. */
export async function asExpiredToken(thrown: unknown, action: Action, context: ActionContext): Promise<unknown> {
  if (!(thrown instanceof BootstrapError)) return thrown
  const isRefused = thrown.code === 'unauthorized' && isAsBootstrap(action)
  if (!isRefused && thrown.code !== 'token-unknown') return thrown
  const { files, credentialsDirectory } = context.ports
  const token = await readBootstrapToken(files, context.configuration, credentialsDirectory).catch(() => undefined)
  const past = token === undefined ? undefined : pastOf(token.id, context)
  if (past === undefined) return thrown
  const { message, retryAfterMs } = thrown
  return new BootstrapError('token-expired', `${past}, and has expired or was deleted since: ${message}`, {
    cause: thrown,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

/** What the token was good for, and when. A cluster that was found by another configuration may be another one. */
function pastOf(tokenId: string, { seen, memory, configuration }: ActionContext): string | undefined {
  if (memory.filedWith?.tokenId === tokenId)
    return `token ${tokenId} filed a request at ${timestamp(memory.filedWith.atMs)}`
  const record = seen.trust.kind === 'unknown' ? undefined : seen.trust.record
  if (record?.evidence.tokenId !== tokenId || record.configurationDigest !== discoveryDigest(configuration))
    return undefined
  return `token ${tokenId} verified this cluster at ${timestamp(record.verifiedAtMs)}`
}
