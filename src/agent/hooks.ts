/** Which hooks are still to be run for the certificate in force: pure, from the configuration and what has been run. */
import type { Hook, HooksConfiguration } from '../config/index.ts'
import { sha256Hex } from '../pki/private-key.ts'
import type { HookEvent, HookRecord } from '../store/hook-record.ts'

export interface DueHook {
  /** As the log names it. Arguments are left out: they are the operator's, and may be secret. */
  name: string
  digest: string
  hook: Hook
}

export interface DueHooks {
  event: HookEvent
  /** Fingerprint of the certificate that they are run for. */
  certificate: string
  hooks: readonly DueHook[]
  /** Digests of those that have succeeded for it already. */
  done: readonly string[]
}

/**
 * Undefined where nothing is to be run or recorded. Where no record is, the certificate is taken for the first one, which is
 * told as `firstEvent`; and a join whose hooks never succeeded stays a join after a renewal.
 */
export function dueHooks(
  configured: HooksConfiguration,
  record: HookRecord | undefined,
  certificate: string,
  firstEvent: HookEvent,
): DueHooks | undefined {
  if (configured.afterJoin.length + configured.afterRenew.length === 0) return undefined
  const isCurrent = record?.certificate === certificate
  const event = record === undefined ? firstEvent : eventOf(record, isCurrent)
  const done = isCurrent ? record.done : []
  const hooks = named(configured, event).filter(({ digest }) => !done.includes(digest))
  return isCurrent && record.isComplete && hooks.length === 0 ? undefined : { event, certificate, hooks, done }
}

function eventOf(record: HookRecord, isCurrent: boolean): HookEvent {
  if (isCurrent) return record.event
  return record.event === 'joined' && !record.isComplete ? 'joined' : 'renewed'
}

function named(configured: HooksConfiguration, event: HookEvent): DueHook[] {
  const key = event === 'joined' ? 'afterJoin' : 'afterRenew'
  const seen = new Map<string, number>()
  return configured[key].map((hook, index) => {
    const text = JSON.stringify(hook)
    const count = (seen.get(text) ?? 0) + 1
    seen.set(text, count)
    return {
      name: `hooks.${key}[${index}] (${hook.kind === 'command' ? (hook.command[0] ?? '') : `reload-or-restart ${hook.units.join(' ')}`})`,
      // What stands there twice is run twice.
      digest: `sha256:${sha256Hex(Buffer.from(count === 1 ? text : `${text} ${count}`))}`,
      hook,
    }
  })
}
