/** Performs the one action that was decided, once. It throws one BootstrapError; whether to try again is the loop's. */
import { discover } from './actions/discover.ts'
import { install } from './actions/install.ts'
import { makeKey } from './actions/make-key.ts'
import { protect } from './actions/protect.ts'
import { publish } from './actions/publish.ts'
import { restore, tidy } from './actions/restore.ts'
import { awaitOutcome, lookUp, recordRefusal, submit } from './actions/request.ts'
import { recheck } from './actions/recheck.ts'
import { runHooks } from './actions/run-hooks.ts'
import type { ActionContext, Extent } from './context.ts'
import type { Action } from './decide.ts'
import { asExpiredToken, rememberToken } from './expired-token.ts'

type Effect = Exclude<Action, { kind: 'rest' }>

export async function act(action: Effect, context: ActionContext): Promise<Extent> {
  try {
    if (action.kind === 'run-hooks') return await runHooks(context)
    await perform(action, context)
  } catch (thrown) {
    throw await asExpiredToken(thrown, action, context)
  }
  await rememberToken(action, context)
  return 'whole'
}

async function perform(action: Exclude<Effect, { kind: 'run-hooks' }>, context: ActionContext): Promise<void> {
  switch (action.kind) {
    case 'discover':
      await discover(context)
      break
    case 'restore':
      await restore(context)
      break
    case 'tidy':
      await tidy(context)
      break
    case 'publish':
      await publish(context)
      break
    case 'recheck':
      await recheck(context)
      break
    case 'make-key':
      await makeKey(context, action.as, action.why)
      break
    case 'submit':
      await submit(context, action.as)
      break
    case 'protect':
      await protect(context)
      break
    case 'look-up':
      await lookUp(context, action.as)
      break
    case 'await-outcome':
      await awaitOutcome(context, action.as)
      break
    case 'record-refusal':
      await recordRefusal(context)
      break
    case 'install':
      await install(context)
      break
  }
}
