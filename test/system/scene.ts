/** What the system tests share: packages in an apt repository, booted machines, a control plane, and a node as an operator sees it. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Status } from '../../src/agent/status.ts'
import { removeDirectoryAtExit } from '../harness/child-process.ts'
import type { ControlPlane, ControlPlaneOptions } from '../harness/control-plane.ts'
import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { Machine, systemRoot } from '../harness/machine.ts'
import { realControlPlaneAvailability, startRealControlPlane } from '../harness/real-control-plane.ts'

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

export interface Packages {
  /** Of the apt repository: the version before, and this one. */
  directory: string
  previousVersion: string
  version: string
}

let packages: Promise<Packages> | undefined

/** Built once for all suites, without compression. */
export function builtPackages(): Promise<Packages> {
  packages ??= buildPackages()
  return packages
}

async function buildPackages(): Promise<Packages> {
  const directory = await mkdtemp(join(tmpdir(), 'node-bootstrap-packages-'))
  removeDirectoryAtExit(directory)
  await run(join(repository, 'scripts/package'), ['--arch', 'amd64', '--compression', 'none', directory])
  const [built = ''] = (await readdir(directory)).filter((name) => name.endsWith('.deb'))
  const version = built.split('_')[1] ?? ''
  const previousVersion = '0.0.9'
  await relabel(
    join(directory, built),
    join(directory, `node-bootstrap_${previousVersion}_amd64.deb`),
    version,
    previousVersion,
  )
  const debs = (await readdir(directory)).filter((name) => name.endsWith('.deb')).map((name) => join(directory, name))
  await run(join(repository, 'scripts/apt-repo'), [join(directory, 'repository'), ...debs])
  return { directory: join(directory, 'repository'), previousVersion, version }
}

/** The same package under another version, which the program in it tells too: the one before this one. */
async function relabel(from: string, to: string, version: string, other: string): Promise<void> {
  const script = `
    set -e
    work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
    dpkg-deb -R "$1" "$work/tree"
    sed -i "s/^Version: .*/Version: $4/" "$work/tree/DEBIAN/control"
    grep -rlF "\\"$3\\"" "$work/tree/usr/lib/node-bootstrap" --include='*.cjs' | xargs sed -i "s/\\"$3\\"/\\"$4\\"/"
    dpkg-deb -Znone --root-owner-group -b "$work/tree" "$2" >/dev/null`
  await run('sh', ['-c', script, 'relabel', from, to, version, other])
}

/** The real control plane, or the embedded one where that is missing. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const real = await realControlPlaneAvailability()
  return real.available && real.hasControllerManager
    ? startRealControlPlane(options)
    : startEmbeddedControlPlane(options)
}

/** A machine with the repository among apt's sources, and nothing installed. */
export async function bootMachine(): Promise<Machine> {
  if (!('path' in found)) throw new Error(found.reason)
  const { directory } = await builtPackages()
  const machine = await Machine.boot({ root: found.path, binds: { '/srv/repository': directory } })
  await machine.run(
    'install -m 644 /srv/repository/node-bootstrap-archive-keyring.gpg /usr/share/keyrings/ && rm -f /etc/apt/sources.list',
  )
  await machine.write(
    '/etc/apt/sources.list.d/node-bootstrap.list',
    'deb [signed-by=/usr/share/keyrings/node-bootstrap-archive-keyring.gpg] file:/srv/repository ./\n',
  )
  return machine
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

/** What `systemctl show` says of the unit. */
export async function property(machine: Machine, name: string, unit = 'node-bootstrap.service'): Promise<string> {
  return (await machine.run(`systemctl show --value --property=${name} ${unit}`)).trim()
}

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

/** A systemd unit's state: active, inactive, failed, activating, … */
export const activeState = (machine: Machine, unit = 'node-bootstrap.service'): Promise<string> =>
  property(machine, 'ActiveState', unit)

export const until = async (machine: Machine, what: string, holds: () => Promise<boolean>): Promise<void> => {
  await machine.eventually(what, async () => ((await holds()) ? true : undefined))
}

export const journal = (machine: Machine): Promise<string> =>
  machine.run('journalctl --unit=node-bootstrap --output=cat --no-pager')
