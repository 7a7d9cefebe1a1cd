import assert from 'node:assert/strict'
import type { ControlPlane } from '../harness/control-plane.ts'
import type { Machine } from '../harness/machine.ts'
import {
  activeState,
  bootMachine,
  configure,
  describeSystem,
  installCommand,
  joined,
  joinYaml,
  startControlPlane,
  until,
} from './scene.ts'

describeSystem('A fresh Debian 12', () => {
  let machine: Machine
  let controlPlane: ControlPlane
  before(async () => {
    ;[machine, controlPlane] = await Promise.all([bootMachine(), startControlPlane()])
  })
  after(async () => {
    await machine.stop()
    await controlPlane.stop()
  })

  it('takes the package from a signed apt repository, enabled, quiet, and saying what to do', async () => {
    await machine.run(installCommand())
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
    await machine.run('systemctl start node-bootstrap')
    await joined(machine)
    await until(
      machine,
      'the target is reached',
      async () => (await activeState(machine, 'node-bootstrap-joined.target')) === 'active',
    )
    assert.match(await machine.run('node-bootstrap status'), /^state +healthy/m)
  })
})
