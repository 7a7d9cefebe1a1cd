import assert from 'node:assert/strict'
import { VERSION } from '../../src/lib/version.ts'
import type { ControlPlane } from '../harness/control-plane.ts'
import type { Machine } from '../harness/machine.ts'
import { builtPackages } from '../harness/packages.ts'
import {
  activeState,
  agentPid,
  configure,
  describeSystem,
  JOINED_TARGET,
  joined,
  joinYaml,
  until,
  useScene,
} from './scene.ts'

const CURRENT = 'readlink /var/lib/kubelet/pki/kubelet-client-current.pem'

// The machine is a Debian, whose dpkg knows the dependencies and whose rpm database is empty: hence --nodeps.
describeSystem('A machine that has node-bootstrap from its rpm', () => {
  let machine: Machine
  let controlPlane: ControlPlane
  let rpm: string
  let previousRpm: string
  useScene(async (scene) => {
    ;({ machine, controlPlane } = scene)
    ;({ rpm, previousRpm } = await builtPackages())
  })

  it('has it by rpm --root: the scripts have run, every file is verified, and the agent says what to do', async () => {
    await machine.fromOutside('rpm', ['--nodeps', '--install', previousRpm])
    assert.equal(await machine.fromOutside('rpm', ['--nodeps', '--verify', 'node-bootstrap']), '')
    assert.equal(
      (await machine.run('systemctl is-enabled node-bootstrap node-bootstrap-joined.path')).trim(),
      'enabled\nenabled',
    )
    assert.equal(await activeState(machine), 'inactive')
    assert.match((await machine.attempt('systemctl status node-bootstrap')).stdout, /not configured: edit /)
  })

  it('joins by the same unit', async () => {
    await configure(machine, joinYaml(controlPlane, { token: await controlPlane.createToken() }))
    await machine.run('systemctl start node-bootstrap')
    await joined(machine)
    await until(machine, 'the target is reached', async () => (await activeState(machine, JOINED_TARGET)) === 'active')
  })

  it('is restarted by an upgrade from the version before, with its certificate and its join.yaml', async () => {
    const before = await agentPid(machine)
    const certificate = await machine.run(CURRENT)
    await machine.fromOutside('rpm', ['--nodeps', '--upgrade', rpm])
    assert.equal(
      await machine.fromOutside('rpm', ['--query', '--queryformat', '%{VERSION}', 'node-bootstrap']),
      VERSION,
    )
    await until(machine, 'another process is the agent', async () => (await agentPid(machine)) !== before)
    await joined(machine)
    assert.equal(await machine.run(CURRENT), certificate)
    assert.match(await machine.run('cat /etc/node-bootstrap/join.yaml'), /caCertHashes/)
  })

  it('is stopped when the package is erased, and the kubelet keeps its identity', async () => {
    const said = await machine.fromOutside('rpm', ['--erase', 'node-bootstrap'])
    assert.match(said, /the kubelet's identity is kept/)
    assert.equal(await activeState(machine), 'inactive')
    assert.equal((await machine.attempt('systemctl is-enabled node-bootstrap')).stdout.trim(), '')
    await machine.run(
      `${CURRENT} && test -s /etc/kubernetes/kubelet.conf && test -s /etc/node-bootstrap/join.yaml.rpmsave`,
    )
  })
})
