/** The agent as a real child process, watched through what it prints. Nothing here waits by the clock except the last resort. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const repository = join(import.meta.dirname, '../..')

/** The sources, or the bundle that scripts/test has made of them: what is shipped, in a third of the time. */
const PROGRAM = process.env['NODE_BOOTSTRAP_PROGRAM'] ?? join(repository, 'src/cli/main.ts')

export interface AgentOptions {
  /** Before `--config`: `['run', '--once']`. */
  args: readonly string[]
  /** Appended as `--config PATH`. */
  configPath?: string
  /** Added to this process's environment; undefined removes a variable. */
  env?: Readonly<Record<string, string | undefined>>
  /** Program and first arguments. Default: this Node.js with the agent. */
  entry?: readonly [string, ...string[]]
}

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface WaitOptions {
  /** Looks only at lines from this index of `lines` on. Default: 0, so a line that has already come counts. */
  from?: number
  /** Default: 30 s. */
  timeoutMs?: number
}

export interface AgentProcess extends AsyncDisposable {
  readonly pid: number
  readonly stdout: readonly string[]
  readonly stderr: readonly string[]
  /** Both, in the order in which they came. */
  readonly lines: readonly string[]
  /** After the last line was read. */
  readonly exited: Promise<Exit>
  /** The first line that matches. Rejects, with all output, where the process ends first or the time is over. */
  waitForLine(pattern: RegExp, options?: WaitOptions): Promise<string>
  /** Default: SIGTERM. */
  kill(signal?: NodeJS.Signals): void
}

const children = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

/** Dispose of it, or await `exited`: disposal kills what still runs. */
export function spawnAgent({ args, configPath, env, entry }: AgentOptions): AgentProcess {
  const [program, ...before] = entry ?? [process.execPath, PROGRAM]
  const config = configPath === undefined ? [] : ['--config', configPath]
  const child = spawn(program, [...before, ...args, ...config], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  const output = new Output()
  output.read(child.stdout, output.stdout)
  output.read(child.stderr, output.stderr)
  // `close` comes after both pipes have ended; `exit` may come before the last line.
  const exited = (async (): Promise<Exit> => {
    await once(child, 'close')
    children.delete(child)
    const exit = { code: child.exitCode, signal: child.signalCode }
    output.end(exit)
    return exit
  })()
  exited.catch((error: unknown) => {
    output.end({ code: null, signal: null }, error instanceof Error ? error : undefined)
  })
  return {
    pid: child.pid ?? 0,
    stdout: output.stdout,
    stderr: output.stderr,
    lines: output.lines,
    exited,
    waitForLine: (pattern, options) => output.waitForLine(pattern, options),
    kill: (signal = 'SIGTERM') => void child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

interface Waiter {
  pattern: RegExp
  resolve: (line: string) => void
  reject: (error: Error) => void
}

class Output {
  readonly stdout: string[] = []
  readonly stderr: string[] = []
  readonly lines: string[] = []
  readonly #waiters = new Set<Waiter>()
  #ended: string | undefined

  read(stream: NodeJS.ReadableStream, into: string[]): void {
    createInterface({ input: stream }).on('line', (line) => {
      into.push(line)
      this.lines.push(line)
      for (const waiter of this.#waiters) if (waiter.pattern.test(line)) waiter.resolve(line)
    })
  }

  end({ code, signal }: Exit, cause?: Error): void {
    this.#ended = cause === undefined ? `ended (${signal ?? String(code)})` : `did not start: ${cause.message}`
    for (const waiter of this.#waiters) waiter.reject(this.#missing(waiter.pattern, this.#ended))
  }

  async waitForLine(pattern: RegExp, { from = 0, timeoutMs = 30_000 }: WaitOptions = {}): Promise<string> {
    const seen = this.lines.slice(from).find((line) => pattern.test(line))
    if (seen !== undefined) return seen
    if (this.#ended !== undefined) throw this.#missing(pattern, this.#ended)
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const waiter = { pattern, resolve, reject }
    this.#waiters.add(waiter)
    const timer = setTimeout(() => {
      reject(this.#missing(pattern, `still silent about it after ${timeoutMs} ms`))
    }, timeoutMs)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#waiters.delete(waiter)
    }
  }

  #missing(pattern: RegExp, why: string): Error {
    return new Error(`no line matches ${String(pattern)}: the process ${why}\n${this.lines.join('\n')}`)
  }
}
