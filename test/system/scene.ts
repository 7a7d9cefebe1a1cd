/** What the system tests share: packages in an apt repository, booted machines, a control plane, and a node as an operator sees it. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Status } from '../../src/agent/status.ts'
import type { ControlPlane, ControlPlaneOptions } from '../harness/control-plane.ts'
import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { Machine, systemRoot } from '../harness/machine.ts'
import { realSignerProblem, startRealControlPlane } from '../harness/real-control-plane.ts'

const run = promisify(execFile)
const repository = join(import.meta.dirname, '../..')

/** A machine boots, and a package of 110 MB is unpacked, while others use the processors too. */
export const TIMEOUT_MS = 400_000

export const found = await systemRoot()
const title = 'path' in found ? '' : ` (skipped: ${found.reason})`

/** `describe`, with the reason in the title where no machine boots here. */
export function describeSystem(name: string, body: (this: Mocha.Suite) => void): void {
  const suite = 'path' in found ? describe : describe.skip
  suite(`${name}${title}`, function () {
    this.timeout(TIMEOUT_MS)
    body.call(this)
  })
}

/** The real control plane, or the embedded one where that is missing. */
async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const isReal = (await realSignerProblem()) === undefined
  return isReal ? startRealControlPlane(options) : startEmbeddedControlPlane(options)
}

/** A machine with the repository among apt's sources, and nothing installed. */
export async function bootMachine(): Promise<Machine> {
  if (!('path' in found)) throw new Error(found.reason)
  const { stdout: repositoryPath } = await run(join(repository, 'scripts/system-packages'))
  const machine = await Machine.boot({ root: found.path, binds: { '/srv/repository': repositoryPath.trim() } })
  await machine.run(
    'install -m 644 /srv/repository/node-bootstrap-archive-keyring.gpg /usr/share/keyrings/ && rm -f /etc/apt/sources.list',
  )
  await machine.write(
    '/etc/apt/sources.list.d/node-bootstrap.list',
    'deb [signed-by=/usr/share/keyrings/node-bootstrap-archive-keyring.gpg] file:/srv/repository ./\n',
  )
  return machine
}

export interface Scene {
  machine: Machine
  controlPlane: ControlPlane
}

/** Both for the suite that calls it, handed to `use` before its first test. What has started ends with the suite, also where the other did not. */
export function useScene(use: (scene: Scene) => void | Promise<void>, options: ControlPlaneOptions = {}): void {
  const started = new AsyncDisposableStack()
  before(async () => {
    const starting = [bootMachine(), startControlPlane(options)] as const
    for (const each of await Promise.allSettled(starting))
      if (each.status === 'fulfilled') started.defer(() => each.value.stop())
    const [machine, controlPlane] = await Promise.all(starting)
    await use({ machine, controlPlane })
  })
  after(() => started.disposeAsync())
}

export const installCommand = (version?: string): string =>
  `apt-get -qq update && apt-get -qq install -y --allow-downgrades node-bootstrap${version === undefined ? '' : `=${version}`}`

export interface Configuration {
  token?: string
  /** Lines below discovery.token, in the place of the token. */
  tokenLine?: string
  /** Lines at the end. */
  more?: string
}

/** As an operator writes it. */
export function joinYaml(
  { endpoint, caCertHash }: ControlPlane,
  { token = '', tokenLine = `token: ${token}`, more = '' }: Configuration,
): string {
  return `apiVersion: node-bootstrap/v1
kind: JoinConfiguration
discovery:
  token:
    endpoints: ["${endpoint}"]
    ${tokenLine}
    caCertHashes: ["${caCertHash}"]
${more}`
}

export const configure = (machine: Machine, text: string): Promise<void> =>
  machine.write('/etc/node-bootstrap/join.yaml', text, '600')

export const JOINED_TARGET = 'node-bootstrap-joined.target'

/** What `systemctl show` says of the unit. */
export async function property(machine: Machine, name: string, unit = 'node-bootstrap.service'): Promise<string> {
  return (await machine.run(`systemctl show --value --property=${name} ${unit}`)).trim()
}

/** When it became active, by the monotonic clock, which the machine shares with this process. */
export const activeEnterMs = async (machine: Machine, unit: string): Promise<number> =>
  Number(await property(machine, 'ActiveEnterTimestampMonotonic', unit)) / 1000

export const agentPid = (machine: Machine): Promise<string> => property(machine, 'MainPID')

export async function nodeStatus(machine: Machine): Promise<Status | undefined> {
  const { stdout } = await machine.attempt('cat /run/node-bootstrap/status.json')
  return stdout === '' ? undefined : (JSON.parse(stdout) as Status)
}

/** The first status that satisfies `isIt`, of the agent that runs now. */
export function statusWhere(machine: Machine, what: string, isIt: (status: Status) => boolean): Promise<Status> {
  return machine.eventually(what, async () => {
    const status = await nodeStatus(machine)
    const shown = status === undefined ? 'none' : `${status.state}: ${status.summary}`
    if (status === undefined || String(status.program.pid) !== (await agentPid(machine)) || !isIt(status))
      throw new Error(`the status is ${shown}`)
    return status
  })
}

export const joined = (machine: Machine): Promise<Status> =>
  statusWhere(machine, 'the node has joined', ({ state }) => state === 'healthy')

export const waitsForApproval = (machine: Machine): Promise<Status> =>
  statusWhere(
    machine,
    'the request waits for approval',
    ({ step, request }) => step === 'approval' && request?.createdAt !== undefined,
  )

/** A systemd unit's state: active, inactive, failed, activating, … */
export const activeState = (machine: Machine, unit = 'node-bootstrap.service'): Promise<string> =>
  property(machine, 'ActiveState', unit)

export const until = async (machine: Machine, what: string, holds: () => Promise<boolean>): Promise<void> => {
  await machine.eventually(what, async () => ((await holds()) ? true : undefined))
}

/** It is told a sentence only once that has stood for a second. */
export const systemdIsTold = (machine: Machine, summary: string): Promise<void> =>
  until(machine, `systemd is told: ${summary}`, async () => (await property(machine, 'StatusText')) === summary)

export const journal = (machine: Machine): Promise<string> =>
  machine.run('journalctl --unit=node-bootstrap --output=cat --no-pager')

/** One for the unit; an empty one takes it away. It takes effect at the next start. */
export async function dropIn(machine: Machine, name: string, text: string): Promise<void> {
  const path = `/etc/systemd/system/node-bootstrap.service.d/${name}.conf`
  if (text === '') await machine.run(`rm ${path}`)
  else await machine.write(path, text)
  await machine.run('systemctl daemon-reload')
}

/** The agent is stopped, and the machine as it was before the join. */
export async function leaveCluster(machine: Machine): Promise<void> {
  await machine.run('systemctl stop node-bootstrap && node-bootstrap reset --yes --kubelet-files')
}
