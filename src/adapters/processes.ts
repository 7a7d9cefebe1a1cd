/**
 * The processes port over node:child_process: one program, no shell, nothing of this process's environment but what is
 * handed in, and an end in time for it and for all that it started in its process group.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { ProcessEnd, Processes, ProcessRequest } from '../lib/ports.ts'
import { textAt } from '../lib/json.ts'

/** Between SIGTERM and SIGKILL. */
const GRACE_MS = 500
/** A background process may hold the pipes open after its parent has ended: its output is waited for no longer than this. */
const DRAIN_MS = 250

/** In UTF-16 units. What is longer is heard in pieces: output without line ends must not fill this process's memory. */
const LONGEST_LINE = 64 * 1024

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export const systemProcesses: Processes = { run }

async function run(request: ProcessRequest): Promise<ProcessEnd> {
  const [program = '', ...args] = request.argv
  const child = spawn(program, args, {
    cwd: '/',
    // Its own process group, so that its children end with it.
    detached: true,
    env: { PATH, ...request.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr]) hearLines(stream, request.onLine)
  const end = await ending(child, request)
  await drained(child)
  return end
}

function hearLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split(/\r?\n/)
    rest = lines.pop() ?? ''
    if (rest.length > LONGEST_LINE) {
      lines.push(rest)
      rest = ''
    }
    for (const line of lines) onLine(line)
  })
  stream.on('end', () => {
    if (rest !== '') onLine(rest)
  })
}

function ending(child: ChildProcess, { timeoutMs, signal }: ProcessRequest): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    let isLate = false
    let kill: NodeJS.Timeout | undefined
    const end = (): void => {
      signalGroup(child, 'SIGTERM')
      kill ??= setTimeout(() => {
        signalGroup(child, 'SIGKILL')
      }, GRACE_MS)
    }
    const limit = setTimeout(() => {
      isLate = true
      end()
    }, timeoutMs)
    const settle = (how: ProcessEnd): void => {
      clearTimeout(limit)
      clearTimeout(kill)
      signal.removeEventListener('abort', end)
      resolve(how)
    }
    child.once('error', (error) => {
      settle({ kind: 'not-started', reason: textAt(error, 'code') ?? 'unknown' })
    })
    child.once('exit', (status, by) => {
      // What it started may not have listened to SIGTERM.
      if (kill !== undefined) signalGroup(child, 'SIGKILL')
      if (isLate) settle({ kind: 'timed-out' })
      else settle(by === null ? { kind: 'exited', status: status ?? 0 } : { kind: 'signalled', signal: by })
    })
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
}

/** The group may be gone. */
function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // Nothing is left to end.
  }
}

function drained(child: ChildProcess): Promise<void> {
  const { stdout, stderr } = child
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      resolve()
    }
    const timer = setTimeout(() => {
      stdout?.destroy()
      stderr?.destroy()
      done()
    }, DRAIN_MS)
    // Where it did not start there are no pipes to wait for.
    if (child.pid === undefined) done()
    else child.once('close', done)
  })
}
