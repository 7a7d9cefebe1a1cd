import assert from 'node:assert/strict'
import { dueHooks } from '../../../src/agent/hooks.ts'
import type { Hook, HooksConfiguration } from '../../../src/config/index.ts'
import type { HookRecord } from '../../../src/store/hook-record.ts'

const command = (...argv: string[]): Hook => ({ kind: 'command', command: argv, timeoutMs: 60_000 })
const announce = command('/bin/announce', 'a secret')
const restart: Hook = { kind: 'units', units: ['kubelet.service'], timeoutMs: 60_000 }
const tell = command('/bin/tell')
const configured: HooksConfiguration = { afterJoin: [announce, restart], afterRenew: [tell] }

const digestOf = (hook: Hook): string =>
  dueHooks({ afterJoin: [hook], afterRenew: [] }, undefined, 'one', 'joined')?.hooks[0]?.digest ?? ''
const record = (
  event: HookRecord['event'],
  done: readonly Hook[],
  isComplete: boolean,
  certificate = 'one',
): HookRecord => ({
  certificate,
  event,
  done: done.map(digestOf),
  isComplete,
})

describe('dueHooks', () => {
  const rows: [string, HooksConfiguration, HookRecord | undefined, string, readonly Hook[] | undefined][] = [
    ['are none where none are configured', { afterJoin: [], afterRenew: [] }, undefined, '', undefined],
    ['are those of the join where nothing was ever run', configured, undefined, 'joined', [announce, restart]],
    [
      'are those of the join that have not succeeded yet',
      configured,
      record('joined', [announce], false),
      'joined',
      [restart],
    ],
    ['are none when all have succeeded', configured, record('joined', [announce, restart], true), '', undefined],
    [
      'are recorded where only the record is missing',
      configured,
      record('joined', [announce, restart], false),
      'joined',
      [],
    ],
    [
      'are those of the renewal with another certificate',
      configured,
      record('joined', [announce, restart], true, 'old'),
      'renewed',
      [tell],
    ],
    ['are those of each further renewal', configured, record('renewed', [tell], true, 'old'), 'renewed', [tell]],
    [
      'are those of the newest renewal alone where one before was not told',
      configured,
      record('renewed', [], false, 'old'),
      'renewed',
      [tell],
    ],
    [
      'stay those of the join, for the new certificate, while they have not succeeded',
      configured,
      record('joined', [announce], false, 'old'),
      'joined',
      [announce, restart],
    ],
    [
      'are remembered for a join even where only renewals have any',
      { afterJoin: [], afterRenew: [tell] },
      undefined,
      'joined',
      [],
    ],
    [
      'are run for the certificate in force when they are added later',
      { ...configured, afterJoin: [announce, restart, tell] },
      record('joined', [announce, restart], true),
      'joined',
      [tell],
    ],
  ]
  for (const [sentence, hooks, known, event, expected] of rows)
    it(sentence, () => {
      const due = dueHooks(hooks, known, 'one', 'joined')
      assert.deepEqual(
        due?.hooks.map(({ hook }) => hook),
        expected,
      )
      assert.equal(due?.event ?? '', event)
    })

  it('that stand there twice are two: the second is still due when one has succeeded', () => {
    const twice = { ...configured, afterJoin: [announce, restart, announce] }
    const once = record('joined', [announce, restart], false)
    const [left, ...more] = dueHooks(twice, once, 'one', 'joined')?.hooks ?? []
    assert.deepEqual([left?.hook, left?.name, more], [announce, 'hooks.afterJoin[2] (/bin/announce)', []])
    const both = { ...once, done: [...once.done, left?.digest ?? ''], isComplete: true }
    assert.equal(dueHooks(twice, both, 'one', 'joined'), undefined)
  })

  it('are named without their arguments', () => {
    const names = dueHooks(configured, undefined, 'one', 'joined')?.hooks.map(({ name }) => name)
    assert.deepEqual(names, [
      'hooks.afterJoin[0] (/bin/announce)',
      'hooks.afterJoin[1] (reload-or-restart kubelet.service)',
    ])
  })
})
