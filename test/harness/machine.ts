/**
 * A booted machine: Debian 12 with systemd as its first process, in systemd-nspawn over an overlay of the cached root. It has
 * the network of the host's loopback, nothing of it is registered anywhere, and it ends with the process that started it.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { forgetDirectory, removeDirectoryAtExit } from './child-process.ts'
import { eventually } from './eventually.ts'

const run = promisify(execFile)
const repository = join(import.meta.dirname, '../..')

/** Generous, because a loaded build machine is no failure. */
const BOOT_DEADLINE_MS = 120_000
const COMMAND_TIMEOUT_MS = 180_000

export interface Ended {
  status: number
  stdout: string
  stderr: string
}

let root: Promise<{ path: string } | { reason: string }> | undefined

/** The root that machines boot from, made at the first call; or why there is none. */
export function systemRoot(): Promise<{ path: string } | { reason: string }> {
  root ??= makeRoot()
  return root
}

async function makeRoot(): Promise<{ path: string } | { reason: string }> {
  if (process.getuid?.() !== 0) return { reason: 'root is needed to boot a machine' }
  if (process.platform !== 'linux' || process.arch !== 'x64') return { reason: 'linux on x64 is needed' }
  try {
    const { stdout } = await run(join(repository, 'scripts/system-root'))
    const path = stdout.trim()
    const machine = await Machine.boot({ root: path })
    await machine.stop()
    return { path }
  } catch (thrown) {
    return { reason: `no machine boots here: ${thrown instanceof Error ? thrown.message : String(thrown)}` }
  }
}

export interface MachineOptions {
  root: string
  /** Seen read-only in the machine: its path there by the path here. */
  binds?: Readonly<Record<string, string>>
}

export class Machine {
  readonly #directory: string
  readonly #command: string
  #nspawn: Nspawn

  private constructor(directory: string, command: string, nspawn: Nspawn) {
    this.#directory = directory
    this.#command = command
    this.#nspawn = nspawn
  }

  /** Resolves when everything that starts at boot has started. */
  static async boot({ root: lower, binds = {} }: MachineOptions): Promise<Machine> {
    const directory = await mkdtemp('/var/tmp/node-bootstrap-machine-')
    removeDirectoryAtExit(directory)
    await Promise.all(['upper', 'work', 'root'].map((name) => mkdir(join(directory, name))))
    const overlay = `lowerdir=${lower},upperdir=${directory}/upper,workdir=${directory}/work`
    // The overlay is mounted in a namespace of its own: it is gone with its last process, however that ends.
    const command = [
      `mount -t overlay overlay -o ${overlay} ${directory}/root`,
      '&& exec systemd-nspawn --quiet --register=no --keep-unit --link-journal=no --timezone=off --resolv-conf=off',
      `--boot --directory=${directory}/root`,
      ...Object.entries(binds).map(([inside, outside]) => `--bind-ro=${outside}:${inside}`),
    ].join(' ')
    const machine = new Machine(directory, command, await startNspawn(command, directory))
    try {
      await machine.#booted()
      return machine
    } catch (thrown) {
      await machine.stop()
      throw thrown
    }
  }

  /** Whatever its exit status. `input` is its standard input. */
  async attempt(command: string, input = ''): Promise<Ended> {
    const leader = this.#leader()
    if (leader === undefined) throw new Error('the machine has no first process')
    const args = ['--target', leader, '--all', '--', 'env', '-i', ...ENVIRONMENT, 'sh', '-c', command]
    const running = run('nsenter', args, { timeout: COMMAND_TIMEOUT_MS, maxBuffer: 1 << 24 })
    // A command that does not read it may have ended before it is written.
    running.child.stdin?.on('error', () => undefined)
    running.child.stdin?.end(input)
    const ended = await running.catch((thrown: unknown) => thrown as { code: unknown; stdout: string; stderr: string })
    const { code = 0, stdout, stderr } = ended as { code?: unknown; stdout: string; stderr: string }
    return { status: typeof code === 'number' ? code : 255, stdout, stderr }
  }

  /** What the command prints; rejects where it fails. */
  async run(command: string, input = ''): Promise<string> {
    const { status, stdout, stderr } = await this.attempt(command, input)
    if (status !== 0) throw new Error(`${command}: exit status ${status}\n${stdout}${stderr}`)
    return stdout
  }

  async write(path: string, content: string, mode = '644'): Promise<void> {
    // Through a name beside it, as an editor saves; standard input is a socket, which cannot be opened by a path.
    await this.run(
      `mkdir -p $(dirname ${path}) && cat >${path}.new && chmod ${mode} ${path}.new && mv ${path}.new ${path}`,
      content,
    )
  }

  /** The first answer of `probe` that is something; in the time that a loaded machine may need. */
  async eventually<Answer>(what: string, probe: () => Promise<Answer | undefined>): Promise<Answer> {
    return eventually(what, { deadlineMs: 60_000, hopeless: this.#nspawn.died }, probe)
  }

  /**
   * By its own service manager; resolves when it has booted again. Nothing is run in a machine that goes down:
   * systemd-shutdown stops every process for a moment, nsenter stops with the one that it runs, and then nobody would reap
   * that one, for which the end of the machine waits.
   */
  async reboot(): Promise<void> {
    await this.run('systemctl reboot --no-block')
    await ended(this.#nspawn)
    this.#nspawn = await startNspawn(this.#command, this.#directory)
    await this.#booted()
  }

  /** Nothing of it is kept. A second call does nothing. */
  async stop(): Promise<void> {
    // nspawn's own end kills the first process, and with it all others.
    this.#nspawn.child.kill('SIGKILL')
    await ended(this.#nspawn)
    await rm(this.#directory, { recursive: true, force: true })
    forgetDirectory(this.#directory)
  }

  async #booted(): Promise<void> {
    await eventually(
      'the machine has booted',
      { deadlineMs: BOOT_DEADLINE_MS, hopeless: this.#nspawn.died },
      async () => {
        if (this.#leader() === undefined) return undefined
        const { stdout } = await this.attempt('systemctl is-system-running --wait')
        return ['running', 'degraded'].includes(stdout.trim()) ? true : undefined
      },
    )
  }

  /** The pid, here, of the machine's first process. */
  #leader(): string | undefined {
    const { pid } = this.#nspawn.child
    try {
      return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
        .split(' ')
        .find((name) => name !== '')
    } catch {
      return undefined
    }
  }
}

interface Nspawn {
  child: ChildProcess & { pid: number }
  exited: Promise<unknown>
  /** Rejects, with what stood on its console last, when it has ended. */
  died: Promise<never>
}

async function ended({ child, exited }: Nspawn): Promise<void> {
  child.ref()
  await exited
}

async function startNspawn(command: string, directory: string): Promise<Nspawn> {
  const log = openSync(join(directory, 'console.log'), 'a')
  try {
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', 'unshare', '--mount', '--propagation', 'private', '--', 'sh', '-c', command],
      { stdio: ['ignore', log, log] },
    )
    const exited = once(child, 'exit')
    const died = exited.then(() => {
      throw new Error(`the machine has ended:\n${readFileSync(join(directory, 'console.log'), 'utf8').slice(-4000)}`)
    })
    died.catch(() => undefined)
    await once(child, 'spawn')
    // A test that has lost it does not wait for it; it ends with this process.
    child.unref()
    return { child: child as Nspawn['child'], exited, died }
  } finally {
    closeSync(log)
  }
}

const ENVIRONMENT = [
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'LANG=C.UTF-8',
  'SYSTEMD_COLORS=0',
  'SYSTEMD_PAGER=cat',
  'DEBIAN_FRONTEND=noninteractive',
]
