/**
 * Preloaded into an agent (`node --import`): numbers its effects on files and servers, and kills the process, as SIGKILL does,
 * where NODE_BOOTSTRAP_CRASH_AT says. `before:loop#17`, `amid:loop#17` and `after:loop#17` are at an effect by its number,
 * `before:` and `after:` with a pattern at the first rename to such a path. What the agent writes of its status, beside the
 * loop, has numbers of its own (`before:status#3`): between which of the loop's effects that comes is different in each run.
 * NODE_BOOTSTRAP_EFFECTS names a file that gets a line for each.
 */
import fs from 'node:fs'
import https from 'node:https'
import { syncBuiltinESMExports } from 'node:module'

const [when, where = ''] = (process.env['NODE_BOOTSTRAP_CRASH_AT'] ?? '').split(/:(.*)/s)
const isNumber = /^\w+#\d+$/.test(where)
const pattern = isNumber || where === '' ? undefined : new RegExp(where)
const trace = process.env['NODE_BOOTSTRAP_EFFECTS']
const counts = { loop: 0, status: 0 }

/** Whether it is here that the process is to die. */
function enter(name: string, hasMiddle: boolean): boolean {
  const sequence = /\/run(\/node-bootstrap(\/|$)|$)/.test(name) ? 'status' : 'loop'
  counts[sequence] += 1
  if (trace !== undefined) fs.appendFileSync(trace, `${sequence} ${hasMiddle ? 'halves' : 'whole'} ${name}\n`)
  if (isNumber) return where === `${sequence}#${counts[sequence]}`
  return name.startsWith('rename ') && pattern?.test(name) === true
}

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => undefined)
}

interface Effect<Value> {
  name: string
  perform: () => Promise<Value>
  /** Does half of it. */
  half?: () => Promise<unknown>
}

async function effect<Value>({ name, perform, half }: Effect<Value>): Promise<Value> {
  const isHere = enter(name, half !== undefined)
  if (isHere && when === 'before') await die()
  if (isHere && when === 'amid' && half !== undefined) {
    await half()
    await die()
  }
  const value = await perform()
  if (isHere && when === 'after') await die()
  return value
}

type Done = (error: Error | null | undefined, value?: unknown) => void
type Call = (...args: unknown[]) => void

/** The agent changes files by the callbacks of node:fs. `nameOf` has the call's arguments; undefined where that is no effect. */
function number(
  call: 'fchmod' | 'fsync' | 'link' | 'mkdir' | 'open' | 'rename' | 'rm' | 'symlink' | 'writeFile',
  nameOf: (args: readonly unknown[]) => string | undefined,
  halfOf?: (args: readonly unknown[]) => unknown[] | undefined,
): void {
  const original = fs[call] as Call
  const perform = (args: readonly unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const done: Done = (error, value) => {
        if (error === null || error === undefined) resolve(value)
        else reject(error)
      }
      original(...args, done)
    })
  Object.assign(fs, {
    [call]: (...given: unknown[]) => {
      const args = given.slice(0, -1)
      const done = given.at(-1) as Done
      const name = nameOf(args)
      const half = halfOf?.(args)
      const whole: Effect<unknown> = { name: name ?? '', perform: () => perform(args) }
      const called = name === undefined ? perform(args) : effect(half ? { ...whole, half: () => perform(half) } : whole)
      void called.then(
        (value) => {
          done(null, value)
        },
        done as (thrown: unknown) => void,
      )
    },
  })
}

/** By descriptor; a closed one's is overwritten by the next that opens it. */
const paths = new Map<unknown, string>()
const pathOf = ([descriptor]: readonly unknown[]): string => paths.get(descriptor) ?? ''

number('mkdir', ([path]) => `mkdir ${String(path)}`)
number('rename', ([from, to]) => `rename ${String(from)} ${String(to)}`)
number('symlink', ([, path]) => `symlink ${String(path)}`)
number('link', ([, to]) => `link ${String(to)}`)
number('rm', ([path]) => `rm ${String(path)}`)
number('fchmod', (args) => `chmod ${pathOf(args)}`)
number('fsync', (args) => `sync ${pathOf(args)}`)
number(
  'writeFile',
  (args) => (typeof args[0] === 'number' ? `fill ${pathOf(args)}` : `write ${String(args[0])}`),
  ([file, data, ...more]) =>
    typeof file === 'number' && data instanceof Uint8Array
      ? [file, data.subarray(0, data.length / 2), ...more]
      : undefined,
)
number('open', ([path, flags]) =>
  typeof flags === 'number' && (flags & fs.constants.O_CREAT) !== 0 ? `create ${String(path)}` : undefined,
)

const { open } = fs
fs.open = ((path: string, ...more: unknown[]) => {
  const done = more.pop() as Done
  const named: Done = (error, descriptor) => {
    paths.set(descriptor, path)
    done(error, descriptor)
  }
  ;(open as Call)(path, ...more, named)
}) as typeof fs.open

const { request } = https

/** The middle of a request is where the server has answered, and the agent has not heard it. */
https.request = ((...args: Parameters<typeof request>) => {
  const sent = request(...args)
  const isHere = enter(`request ${sent.method} ${sent.path}`, true)
  if (isHere && when === 'before') void die()
  if (isHere) sent.prependListener('response', () => void die())
  return sent
}) as typeof request

syncBuiltinESMExports()
