import assert from 'node:assert/strict'
import type { ControlPlane } from '../harness/control-plane.ts'
import type { Machine } from '../harness/machine.ts'
import { tellFigures } from '../harness/figures.ts'
import { PREVIOUS_VERSION } from '../harness/packages.ts'
import {
  activeState,
  agentPid,
  configure,
  describeSystem,
  installCommand,
  JOINED_TARGET,
  joined,
  joinYaml,
  property,
  until,
  useScene,
} from './scene.ts'

const CONFIGURATION = '/etc/node-bootstrap/join.yaml'
const KUBECONFIG = '/etc/kubernetes/kubelet.conf'
const PAIR = '/var/lib/kubelet/pki/kubelet-client-current.pem'
const RECORD = '/var/lib/node-bootstrap/cluster.json'

describeSystem('A fresh Debian 12', () => {
  let machine: Machine
  let controlPlane: ControlPlane
  /** What each command of an operator took, beside the edit. */
  const took: string[] = []
  useScene((scene) => {
    ;({ machine, controlPlane } = scene)
  })
  after(() => {
    tellFigures(`from a fresh Debian 12 to a node in ${took.length} commands and one edited file: ${took.join(', ')}`)
  })

  async function timed<Value>(what: string, effect: () => Promise<Value>): Promise<Value> {
    const beganMs = performance.now()
    const value = await effect()
    took.push(`${what} ${((performance.now() - beganMs) / 1000).toFixed(1)} s`)
    return value
  }

  it('takes the package from a signed apt repository, enabled, quiet, and saying what to do', async () => {
    await timed('apt update && apt install', () => machine.run(installCommand()))
    assert.equal(
      (await machine.run('systemctl is-enabled node-bootstrap node-bootstrap-joined.path')).trim(),
      'enabled\nenabled',
    )
    assert.equal(await activeState(machine), 'inactive')
    assert.equal(await machine.run('systemctl --failed --quiet'), '')
    const { stdout } = await machine.attempt('systemctl status node-bootstrap')
    assert.match(stdout, /not configured: edit \/etc\/node-bootstrap\/join\.yaml/)
  })

  it('is still quiet after a boot without configuration', async () => {
    await machine.reboot()
    assert.equal(await activeState(machine), 'inactive')
    assert.equal((await machine.run('systemctl is-system-running')).trim(), 'running')
  })

  it('joins a cluster by one edited file and systemctl start', async () => {
    await configure(machine, joinYaml(controlPlane, { token: await controlPlane.createToken() }))
    await timed('systemctl start, until the node is healthy', async () => {
      await machine.run('systemctl start node-bootstrap')
      await joined(machine)
    })
    await until(machine, 'the target is reached', async () => (await activeState(machine, JOINED_TARGET)) === 'active')
    assert.match(await machine.run('node-bootstrap status'), /^state +healthy/m)
  })

  /** What must survive: the certificate in force, without another request. */
  let fingerprint: string | undefined
  const survived = async (): Promise<void> => {
    assert.equal((await joined(machine)).certificate?.fingerprint, fingerprint)
    assert.equal((await controlPlane.listCertificateSigningRequests()).length, 1)
  }
  const versionThatRuns = async (): Promise<string> => (await joined(machine)).program.version

  it('is downgraded while it runs: the older one runs, with the same certificate', async () => {
    fingerprint = (await joined(machine)).certificate?.fingerprint
    const version = await versionThatRuns()
    await machine.run(installCommand(PREVIOUS_VERSION))
    assert.equal(await versionThatRuns(), PREVIOUS_VERSION)
    assert.notEqual(version, PREVIOUS_VERSION)
    await survived()
  })

  it('is upgraded while it runs: the newer one runs, with the same certificate', async () => {
    await machine.run(installCommand())
    assert.notEqual(await versionThatRuns(), PREVIOUS_VERSION)
    await survived()
    assert.equal(await machine.run('systemctl --failed --quiet'), '')
  })

  it('is removed: stopped, and the identity, the state and the configuration are kept', async () => {
    const pid = await agentPid(machine)
    await machine.run('apt-get -qq remove -y node-bootstrap')
    assert.equal((await machine.attempt(`kill -0 ${pid}`)).status, 1)
    assert.equal(await property(machine, 'LoadState'), 'not-found')
    await machine.run(`test -s ${KUBECONFIG} && test -s ${PAIR} && test -s ${RECORD} && test -s ${CONFIGURATION}`)
  })

  it('is installed again with the old state: joined, without another request', async () => {
    await machine.run(installCommand())
    await survived()
  })

  it('is purged: its own files are gone, and the kubelet’s identity is kept, with a word on how to remove it', async () => {
    const output = await machine.run('apt-get -qq purge -y node-bootstrap 2>&1')
    assert.match(output, /the kubelet's identity is kept/)
    assert.doesNotMatch(output, /not empty so not removed/)
    await machine.run(`test -s ${KUBECONFIG} && test -s ${PAIR}`)
    for (const path of [RECORD, CONFIGURATION, '/run/node-bootstrap', '/var/lib/node-bootstrap'])
      assert.equal((await machine.attempt(`test -e ${path}`)).status, 1, path)
    assert.equal(await machine.run('systemctl --failed --quiet'), '')
  })

  it('is installed after a purge as on a fresh machine: quiet until it is configured', async () => {
    await machine.run(installCommand())
    assert.equal(await activeState(machine), 'inactive')
    await machine.run(`cmp ${CONFIGURATION} /usr/share/node-bootstrap/join.yaml`)
  })
})
