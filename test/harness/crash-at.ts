/**
 * Preloaded into an agent (`node --import`): numbers its effects on files and servers, and kills the process, as SIGKILL does,
 * where NODE_BOOTSTRAP_CRASH_AT says. `before:#17`, `amid:#17` and `after:#17` are at an effect by its number, `before:` and
 * `after:` with a pattern at the first rename to such a path. NODE_BOOTSTRAP_EFFECTS names a file that gets a line for each.
 */
import { appendFileSync } from 'node:fs'
import promises, { type FileHandle } from 'node:fs/promises'
import https from 'node:https'
import { syncBuiltinESMExports } from 'node:module'

const [when, where = ''] = (process.env['NODE_BOOTSTRAP_CRASH_AT'] ?? '').split(/:(.*)/s)
const number = where.startsWith('#') ? Number(where.slice(1)) : undefined
const pattern = number === undefined && where !== '' ? new RegExp(where) : undefined
const trace = process.env['NODE_BOOTSTRAP_EFFECTS']
let count = 0

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
  count += 1
  if (trace !== undefined) appendFileSync(trace, `${half === undefined ? 'whole' : 'halves'} ${name}\n`)
  const isHere = count === number || (pattern !== undefined && name.startsWith('rename ') && pattern.test(name))
  if (isHere && when === 'before') await die()
  if (isHere && when === 'amid' && half !== undefined) {
    await half()
    await die()
  }
  const value = await perform()
  if (isHere && when === 'after') await die()
  return value
}

const { mkdir, chmod, open, rename, symlink, link, rm, writeFile } = promises

promises.mkdir = ((path: string, options: object) =>
  effect({ name: `mkdir ${path}`, perform: () => mkdir(path, options) })) as typeof mkdir
promises.chmod = (path, mode) => effect({ name: `chmod ${String(path)}`, perform: () => chmod(path, mode) })
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
  handle.writeFile = (data) => {
    const bytes = data as Uint8Array
    const half = (): Promise<void> => writeAll(bytes.subarray(0, bytes.length / 2))
    return effect({ name: `fill ${path}`, perform: () => writeAll(bytes), half })
  }
  handle.sync = () => effect({ name: `sync ${path}`, perform: syncAll })
  return handle
}

const { request } = https

/** The middle of a request is where the server has answered, and the agent has not heard it. */
https.request = ((...args: Parameters<typeof request>) => {
  count += 1
  const isHere = count === number
  if (isHere && when === 'before') void die()
  const sent = request(...args)
  if (trace !== undefined) appendFileSync(trace, `halves request ${sent.method} ${sent.path}\n`)
  if (isHere) sent.prependListener('response', () => void die())
  return sent
}) as typeof request

syncBuiltinESMExports()
