/**
 * Preloaded into an agent (`node --import`): numbers its effects on files and servers, and kills the process, as SIGKILL does,
 * where NODE_BOOTSTRAP_CRASH_AT says. `before:loop#17`, `amid:loop#17` and `after:loop#17` are at an effect by its number,
 * `before:` and `after:` with a pattern at the first rename to such a path. What the agent writes of its status, beside the
 * loop, has numbers of its own (`before:status#3`): between which of the loop's effects that comes is different in each run.
 * NODE_BOOTSTRAP_EFFECTS names a file that gets a line for each.
 */
import { appendFileSync } from 'node:fs'
import promises, { type FileHandle } from 'node:fs/promises'
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
  if (trace !== undefined) appendFileSync(trace, `${sequence} ${hasMiddle ? 'halves' : 'whole'} ${name}\n`)
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

const { mkdir, open, rename, symlink, link, rm, writeFile } = promises

promises.mkdir = ((path: string, options: object) =>
  effect({ name: `mkdir ${path}`, perform: () => mkdir(path, options) })) as typeof mkdir
promises.rename = (from, to) =>
  effect({ name: `rename ${String(from)} ${String(to)}`, perform: () => rename(from, to) })
promises.symlink = (target, path) => effect({ name: `symlink ${String(path)}`, perform: () => symlink(target, path) })
promises.link = (from, to) => effect({ name: `link ${String(to)}`, perform: () => link(from, to) })
promises.rm = (path, options) => effect({ name: `rm ${String(path)}`, perform: () => rm(path, options) })
promises.writeFile = (path, data, options) =>
  effect({ name: `write ${path as string}`, perform: () => writeFile(path, data, options) })
promises.open = async (path, flags, mode) => {
  const isNew = typeof flags === 'number' && (flags & promises.constants.O_CREAT) !== 0
  const perform = (): Promise<FileHandle> => open(path, flags, mode)
  const name = String(path)
  return numbered(isNew ? await effect({ name: `create ${name}`, perform }) : await perform(), name)
}

function numbered(handle: FileHandle, path: string): FileHandle {
  const writeAll = handle.writeFile.bind(handle)
  const syncAll = handle.sync.bind(handle)
  const chmod = handle.chmod.bind(handle)
  handle.writeFile = (data) => {
    const bytes = data as Uint8Array
    const half = (): Promise<void> => writeAll(bytes.subarray(0, bytes.length / 2))
    return effect({ name: `fill ${path}`, perform: () => writeAll(bytes), half })
  }
  handle.chmod = (mode) => effect({ name: `chmod ${path}`, perform: () => chmod(mode) })
  handle.sync = () => effect({ name: `sync ${path}`, perform: syncAll })
  return handle
}

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
