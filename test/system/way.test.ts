import assert from 'node:assert/strict'
import type { ControlPlane } from '../harness/control-plane.ts'
import type { Machine } from '../harness/machine.ts'
import { assertGolden, operatorSees } from './golden.ts'
import {
  activeEnterMs,
  activeState,
  agentPid,
  configure,
  describeSystem,
  installCommand,
  JOINED_TARGET,
  joined,
  joinYaml,
  property,
  statusWhere,
  systemdIsTold,
  until,
  useScene,
  waitsForApproval,
} from './scene.ts'

/** As packaging/drop-ins/kubelet.conf says, and a unit that is stricter about it. */
const KUBELET = `
  cat >/etc/systemd/system/kubelet.service <<'UNIT'
[Service]
ExecStart=/bin/sleep infinity
UNIT
  cat >/etc/systemd/system/strict.service <<'UNIT'
[Unit]
Requires=${JOINED_TARGET}
After=${JOINED_TARGET}
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=${JOINED_TARGET}
UNIT
  install -D -m 644 /usr/share/node-bootstrap/drop-ins/kubelet.conf /etc/systemd/system/kubelet.service.d/node-bootstrap.conf
  systemctl daemon-reload
  systemctl add-wants ${JOINED_TARGET} kubelet.service
  systemctl enable strict.service`

describeSystem('A machine on its way into a cluster that approves by hand', () => {
  let machine: Machine
  let controlPlane: ControlPlane
  let name = ''
  const requests = async (): Promise<number> => (await controlPlane.listCertificateSigningRequests()).length
  const targetReached = () =>
    until(machine, 'the target is reached', async () => (await activeState(machine, JOINED_TARGET)) === 'active')
  const kubeletRuns = () =>
    until(machine, 'the kubelet runs', async () => (await activeState(machine, 'kubelet.service')) === 'active')

  useScene(
    async (scene) => {
      ;({ machine, controlPlane } = scene)
      await machine.run(installCommand())
    },
    { approval: 'manual' },
  )

  it('unconfigured: quiet, and says what to do', async () => {
    await assertGolden('unconfigured', await operatorSees(machine))
    assert.equal(await machine.run('systemctl --failed --quiet'), '')
  })

  it('a configuration that cannot be used: failed with every problem, and not started again', async () => {
    const yaml = joinYaml(controlPlane, { token: 'not-a-token', more: 'colour: blue\n' })
    await configure(machine, yaml)
    assert.equal((await machine.attempt('systemctl start node-bootstrap')).status, 1)
    await assertGolden('bad-configuration', await operatorSees(machine))
    assert.equal(await property(machine, 'NRestarts'), '0')
    assert.equal(await property(machine, 'ExecMainStatus'), '78')
  })

  it('the control plane is away: starts at once, tries on, and says what it waits for', async () => {
    const yaml = joinYaml(controlPlane, { token: await controlPlane.createToken() })
    await controlPlane.stopApiServer()
    await configure(machine, yaml)
    await machine.run('systemctl start node-bootstrap')
    await statusWhere(machine, 'it is refused', ({ problem }) => problem?.code === 'connection-refused')
    await assertGolden('control-plane-away', await operatorSees(machine))
  })

  it('what needs the target is not started before the join, and says so', async () => {
    await machine.run(KUBELET)
    await machine.run('systemctl start kubelet.service')
    assert.equal(await activeState(machine, 'kubelet.service'), 'inactive')
    assert.match((await machine.attempt('systemctl start strict.service')).stderr, /dependency/)
    assert.equal(await activeState(machine, JOINED_TARGET), 'inactive')
  })

  it('rebooted while undiscovered: the boot is not held up, and it finds the cluster when that is there', async () => {
    await machine.reboot()
    assert.equal((await machine.run('systemctl is-system-running')).trim(), 'running')
    await statusWhere(machine, 'it is refused', ({ problem }) => problem?.code === 'connection-refused')
    await controlPlane.startApiServer()
    name = (await waitsForApproval(machine)).request?.name ?? ''
  })

  it('rebooted while its request waits: the same request, a boot that is not held up, and no kubelet', async () => {
    await machine.reboot()
    assert.equal((await machine.run('systemctl is-system-running')).trim(), 'running')
    const { request, summary } = await waitsForApproval(machine)
    assert.equal(request?.name, name)
    assert.equal(await requests(), 1)
    assert.equal(summary, `waiting for approval: kubectl certificate approve ${name}`)
    await systemdIsTold(machine, summary)
    assert.equal(await activeState(machine, JOINED_TARGET), 'inactive')
    assert.equal(await activeState(machine, 'kubelet.service'), 'inactive')
    await assertGolden('waiting-for-approval', await operatorSees(machine))
  })

  it('approved: the target is reached, and what is ordered after it starts, in that order', async () => {
    const beforeMs = Number(process.hrtime.bigint()) / 1e6
    await controlPlane.approve(name)
    await Promise.all([joined(machine), targetReached(), kubeletRuns()])
    const targetMs = await activeEnterMs(machine, JOINED_TARGET)
    const kubeletMs = await activeEnterMs(machine, 'kubelet.service')
    assert.ok(beforeMs < targetMs && targetMs <= kubeletMs, `${beforeMs}, ${targetMs}, ${kubeletMs}`)
    assert.equal(await activeState(machine, 'strict.service'), 'active')
    await assertGolden('joined', await operatorSees(machine))
  })

  it('stopped: the kubelet runs on and may be restarted, and status says who looks after the node: nobody', async () => {
    await machine.run('systemctl stop node-bootstrap')
    await assertGolden('stopped', await operatorSees(machine))
    await machine.run('systemctl restart kubelet.service strict.service')
    assert.equal(await activeState(machine, 'kubelet.service'), 'active')
  })

  it('reset with the kubelet’s files: the kubelet is no longer started', async () => {
    await machine.run('node-bootstrap reset --yes --kubelet-files')
    await machine.run(`systemctl stop kubelet.service strict.service ${JOINED_TARGET}`)
    await machine.run('systemctl start kubelet.service')
    assert.equal(await activeState(machine, 'kubelet.service'), 'inactive')
  })

  it('approved while it is down: joined at the next boot with the same request, and the kubelet starts in it', async () => {
    await machine.run('systemctl start node-bootstrap')
    const { request } = await waitsForApproval(machine)
    await machine.powerOff()
    await controlPlane.approve(request?.name ?? '')
    await machine.powerOn()
    await joined(machine)
    await Promise.all([targetReached(), kubeletRuns()])
    assert.equal(await requests(), 2)
  })

  it('rebooted when joined, without a control plane: degraded, and the kubelet starts', async () => {
    await controlPlane.stopApiServer()
    await machine.reboot()
    await statusWhere(
      machine,
      'the certificate is kept',
      ({ state, certificate }) => state === 'degraded' && certificate !== undefined,
    )
    await Promise.all([targetReached(), kubeletRuns()])
    assert.equal(await activeState(machine, 'strict.service'), 'active')
    assert.notEqual(await agentPid(machine), '0')
  })
})
