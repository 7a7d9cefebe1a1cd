/**
 * A booted machine: Debian 12 with systemd as its first process, in systemd-nspawn over an overlay of the cached root. It has
 * the network of the host's loopback, nothing of it is registered anywhere, and it ends with the process that started it.
 * What it writes is in memory, in a mount namespace of its own: however a test ends, nothing of a machine is left.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
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
  readonly #disk: Disk
  readonly #binds: readonly string[]
  #nspawn: Nspawn | undefined

  private constructor(disk: Disk, binds: readonly string[]) {
    this.#disk = disk
    this.#binds = binds
  }

  /** Resolves when everything that starts at boot has started. */
  static async boot({ root: lower, binds = {} }: MachineOptions): Promise<Machine> {
    const bindOptions = Object.entries(binds).map(([inside, outside]) => `--bind-ro=${outside}:${inside}`)
    const machine = new Machine(await makeDisk(lower), bindOptions)
    try {
      await machine.powerOn()
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

  /** What a program of this host prints that takes `--root`, among the processes of the machine; rejects where it fails. */
  async fromOutside(program: string, args: readonly string[]): Promise<string> {
    const leader = this.#leader()
    if (leader === undefined) throw new Error('the machine has no first process')
    const namespaces = ['--target', leader, '--pid', '--ipc', '--uts']
    const command = [program, '--root', `/proc/${leader}/root`, ...args]
    return (await run('nsenter', [...namespaces, '--', ...command], { timeout: COMMAND_TIMEOUT_MS })).stdout
  }

  /** The first answer of `probe` that is something; in the time that a loaded machine may need. */
  async eventually<Answer>(what: string, probe: () => Promise<Answer | undefined>): Promise<Answer> {
    return eventually(what, { deadlineMs: 60_000, hopeless: this.#running.died }, probe)
  }

  async reboot(): Promise<void> {
    await this.powerOff()
    await this.powerOn()
  }

  /**
   * By its own service manager. Nothing is run in a machine that goes down: systemd-shutdown stops every process for a
   * moment, nsenter stops with the one that it runs, and then nobody would reap that one, for which the end of the machine
   * waits.
   */
  async powerOff(): Promise<void> {
    await this.run('systemctl poweroff --no-block')
    await ended(this.#running)
    this.#nspawn = undefined
  }

  /** Resolves when it has booted, with what it had on its disk. */
  async powerOn(): Promise<void> {
    const nspawn = await startNspawn(this.#disk, this.#binds)
    this.#nspawn = nspawn
    await eventually('the machine has booted', { deadlineMs: BOOT_DEADLINE_MS, hopeless: nspawn.died }, async () => {
      if (this.#leader() === undefined) return undefined
      // Without --wait: who comes before the service manager can answer would wait for ever.
      const { stdout } = await this.attempt('timeout 20 systemctl is-system-running')
      return ['running', 'degraded'].includes(stdout.trim()) ? true : undefined
    })
  }

  /** Nothing of it is kept. A second call does nothing. */
  async stop(): Promise<void> {
    const { holder, exited } = this.#disk
    holder.ref()
    holder.kill('SIGKILL')
    await exited
    if (this.#nspawn !== undefined) await ended(this.#nspawn)
    this.#nspawn = undefined
  }

  get #running(): Nspawn {
    if (this.#nspawn === undefined) throw new Error('the machine is off')
    return this.#nspawn
  }

  /** The pid, here, of the machine's first process: nsenter's child is nspawn, and that one's the machine. */
  #leader(): string | undefined {
    const nspawn = firstChildOf(this.#running.child.pid)
    return nspawn === undefined ? undefined : firstChildOf(nspawn)
  }
}

/**
 * The machine's file system, and its processes: namespaces that end with their holder, and that with this process, however
 * it ends. nspawn's own end would leave the machine running.
 */
interface Disk {
  holder: ChildProcess & { pid: number }
  exited: Promise<unknown>
}

/** In the namespace alone; outside it is an empty directory. */
const MOUNT_POINT = '/run/node-bootstrap-machine'

const dieWithParent = ['--pdeathsig', 'KILL', '--']

async function makeDisk(lower: string): Promise<Disk> {
  const script = `
    mkdir -p ${MOUNT_POINT} && mount -t tmpfs tmpfs ${MOUNT_POINT} && cd ${MOUNT_POINT} && mkdir upper work root &&
    mount -t overlay overlay -o lowerdir=${lower},upperdir=upper,workdir=work root && echo mounted && exec sleep infinity`
  const holder = spawn(
    'setpriv',
    [
      ...[...dieWithParent, 'unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'],
      ...['--mount-proc', '--', 'sh', '-c', script],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const exited = once(holder, 'exit')
  const failed = text(holder.stderr).then((complaint) => {
    throw new Error(`the disk of a machine cannot be mounted: ${complaint}`)
  })
  failed.catch(() => undefined)
  await Promise.race([once(holder.stdout, 'data'), failed])
  holder.stdout.destroy()
  holder.stderr.destroy()
  holder.unref()
  return { holder: holder as typeof holder & { pid: number }, exited }
}

/** Its pid; undefined where there is none. */
function firstChildOf(pid: number | string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
      .split(' ')
      .find((name) => name !== '')
  } catch {
    return undefined
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

async function startNspawn({ holder }: Disk, binds: readonly string[]): Promise<Nspawn> {
  const consolePath = `/proc/${holder.pid}/root${MOUNT_POINT}/console.log`
  const console = openSync(consolePath, 'a')
  try {
    const child = spawn(
      'setpriv',
      [
        ...[...dieWithParent, 'nsenter', '--target', String(firstChildOf(holder.pid)), '--mount', '--pid', '--'],
        ...['systemd-nspawn', '--quiet', '--register=no', '--keep-unit', '--link-journal=no', '--timezone=off'],
        ...['--resolv-conf=off', '--boot', `--directory=${MOUNT_POINT}/root`, ...binds],
      ],
      { stdio: ['ignore', console, console] },
    )
    const exited = once(child, 'exit')
    const died = exited.then(() => {
      throw new Error(`the machine has ended:\n${readFileSync(consolePath, 'latin1').slice(-4000)}`)
    })
    died.catch(() => undefined)
    await once(child, 'spawn')
    // A test that has lost it does not wait for it; it ends with this process.
    child.unref()
    return { child: child as Nspawn['child'], exited, died }
  } finally {
    closeSync(console)
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
