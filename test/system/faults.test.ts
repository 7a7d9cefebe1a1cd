import assert from 'node:assert/strict'
import type { Status } from '../../src/agent/status.ts'
import type { ControlPlane } from '../harness/control-plane.ts'
import type { Machine } from '../harness/machine.ts'
import {
  agentPid,
  configure,
  describeSystem,
  dropIn,
  installCommand,
  joined,
  joinYaml,
  journal,
  leaveCluster,
  nodeStatus,
  property,
  statusWhere,
  until,
  useScene,
} from './scene.ts'

/** The clock of the agent alone: a file says how far it is off, and is read whenever the time is asked for. */
const FAKETIME = `[Service]
Environment=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME_TIMESTAMP_FILE=/etc/faketimerc
Environment=FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_RESET=1
`
/** The shipped ten minutes are the operator's; a test has less time. */
const WATCHDOG = '[Service]\nWatchdogSec=5s\n'
/** An event loop that can be stopped from outside. */
const STALLING = `[Service]
ExecStart=
ExecStart=/usr/lib/node-bootstrap/node --require=/srv/stall.cjs /usr/lib/node-bootstrap/node-bootstrap.cjs run
`

const fingerprintOf = ({ certificate }: Status): string => certificate?.fingerprint ?? ''

const problem = (machine: Machine, code: string): Promise<Status> =>
  statusWhere(machine, code, (status) => status.problem?.code === code)

describeSystem('A joined machine in trouble', () => {
  let machine: Machine
  let controlPlane: ControlPlane
  let yaml = ''
  useScene(async (scene) => {
    ;({ machine, controlPlane } = scene)
    await machine.run(installCommand())
    yaml = joinYaml(controlPlane, { token: await controlPlane.createToken() })
    await configure(machine, yaml)
  })

  const requests = async (): Promise<number> => (await controlPlane.listCertificateSigningRequests()).length
  const setClock = async (offset: string): Promise<void> => machine.write('/etc/faketimerc', `${offset}\n`)
  const reload = () => machine.run('systemctl reload node-bootstrap')

  /** Resolves with the status of another process than `pid`, which had the same certificate. */
  async function restartedFrom(pid: string, fingerprint: string): Promise<void> {
    await until(machine, 'another agent runs', async () => !['0', pid].includes(await agentPid(machine)))
    assert.equal(fingerprintOf(await joined(machine)), fingerprint)
    assert.equal(await requests(), 1)
  }

  it('a clock that is a day behind: the join waits, says why, and is made when the clock is right', async () => {
    await dropIn(machine, 'clock', FAKETIME)
    await setClock('-1d')
    await machine.run('systemctl start node-bootstrap')
    await problem(machine, 'server-certificate-not-yet-valid')
    await setClock('+0')
    await reload()
    await joined(machine)
  })

  it('the clock of a joined machine goes a day back and forth: the certificate is kept, and nothing is asked for', async () => {
    const fingerprint = fingerprintOf(await joined(machine))
    await setClock('-1d')
    await reload()
    await statusWhere(machine, 'its certificate is not valid yet', ({ summary }) => summary.includes('future'))
    await setClock('+1d')
    await machine.run('systemctl restart node-bootstrap')
    const status = await joined(machine)
    assert.ok(Date.parse(status.since) > Date.now() + 3_600_000, 'the agent’s clock is a day ahead')
    assert.equal(fingerprintOf(status), fingerprint)
    await dropIn(machine, 'clock', '')
    await machine.run('systemctl restart node-bootstrap')
    assert.equal(fingerprintOf(await joined(machine)), fingerprint)
    assert.equal(await requests(), 1)
  })

  it('kill -9: started again, with the same certificate', async () => {
    const [pid, fingerprint] = [await agentPid(machine), fingerprintOf(await joined(machine))]
    await machine.run(`kill -9 ${pid}`)
    await restartedFrom(pid, fingerprint)
  })

  it('a stopped process: the watchdog ends it, and it is started again', async () => {
    await dropIn(machine, 'watchdog', WATCHDOG)
    await machine.run('systemctl restart node-bootstrap')
    const [fingerprint, pid] = [fingerprintOf(await joined(machine)), await agentPid(machine)]
    await machine.run(`kill -STOP ${pid}`)
    await restartedFrom(pid, fingerprint)
    assert.match(await journal(machine), /Watchdog timeout/)
  })

  it('a stopped event loop: the same, for nothing but the loop feeds the watchdog', async () => {
    await machine.write('/srv/stall.cjs', "process.on('SIGUSR2', () => { for (;;); })\n")
    await dropIn(machine, 'stalling', STALLING)
    await machine.run('systemctl restart node-bootstrap')
    const [fingerprint, pid] = [fingerprintOf(await joined(machine)), await agentPid(machine)]
    const timeouts = async (): Promise<number> => (await journal(machine)).split('Watchdog timeout').length
    const earlier = await timeouts()
    await machine.run(`kill -USR2 ${pid}`)
    await restartedFrom(pid, fingerprint)
    assert.ok((await timeouts()) > earlier)
    await dropIn(machine, 'stalling', '')
    await dropIn(machine, 'watchdog', '')
    await machine.run('systemctl restart node-bootstrap')
    await joined(machine)
  })

  it('systemctl reload after an edit: in force, in the same process', async () => {
    const pid = await agentPid(machine)
    await configure(machine, `${yaml}policy:\n  require: [spent-token]\n`)
    await reload()
    await until(machine, 'the edit is in force', async () =>
      (await journal(machine)).includes('the changed configuration is in force'),
    )
    assert.equal(await agentPid(machine), pid)
    await configure(machine, yaml)
    await reload()
  })

  it('systemctl reload after a bad edit: fails with the problem; the last good configuration goes on, and is told to', async () => {
    const pid = await agentPid(machine)
    await configure(machine, `${yaml}colour: blue\n`)
    assert.equal((await machine.attempt('systemctl reload node-bootstrap')).status, 1)
    assert.match(await journal(machine), /join\.yaml:\d+:1: colour: /)
    await statusWhere(machine, 'the problem is told', ({ configurationProblem }) => configurationProblem !== undefined)
    assert.match(
      await machine.run('node-bootstrap status'),
      /^state +healthy[^]*^join\.yaml +the changed file is not used, the last good one is:\n +\S*join\.yaml:\d+:1: colour: /m,
    )
    assert.equal(await property(machine, 'ActiveState'), 'active')
    assert.equal(await agentPid(machine), pid)
    await configure(machine, yaml)
    await reload()
    await statusWhere(machine, 'it is mended', ({ configurationProblem }) => configurationProblem === undefined)
  })

  it('a full /var/lib that lacks the kubelet’s directories: says so, and joins when there is room', async () => {
    await leaveCluster(machine)
    await machine.run('mount -t tmpfs -o size=1m tmpfs /var/lib && { head -c 2M /dev/zero >/var/lib/full || true; }')
    await machine.run('systemctl start node-bootstrap')
    await problem(machine, 'storage-full')
    await machine.run('rm /var/lib/full')
    await reload()
    await joined(machine)
    await leaveCluster(machine)
    await machine.run('umount --lazy /var/lib')
  })

  it('a read-only /etc: says so, and joins when it can be written to', async () => {
    await machine.run('mount --bind /etc /etc && mount -o remount,bind,ro /etc')
    await machine.run('systemctl start node-bootstrap')
    await problem(machine, 'storage-read-only')
    await machine.run('umount --lazy /etc && systemctl restart node-bootstrap')
    await joined(machine)
    assert.equal((await nodeStatus(machine))?.problem, undefined)
  })
})
