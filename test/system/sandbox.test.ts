import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { constants } from 'node:os'
import type { Status } from '../../src/agent/status.ts'
import { ConnectProxy } from '../harness/connect-proxy.ts'
import type { ControlPlane } from '../harness/control-plane.ts'
import type { Machine } from '../harness/machine.ts'
import { baitsInside, FOREIGN, layBaits, OWN, processStatus, writableInside } from './confinement.ts'
import {
  activeState,
  agentPid,
  configure,
  describeSystem,
  dropIn,
  installCommand,
  joined,
  joinYaml,
  journal,
  leaveCluster,
  property,
  statusWhere,
  until,
  useScene,
} from './scene.ts'

/** As a bit of the masks in /proc/PID/status. */
const SIGUSR1 = 1 << (constants.signals.SIGUSR1 - 1)

/** Tells by files what was asked of it. */
const ANNOUNCER = `[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/touch /run/announcer-started
ExecReload=/bin/touch /run/announcer-reloaded
`

const HOOKS = `hooks:
  afterJoin:
    - command: [/bin/sh, -c, 'echo hook: $NODE_BOOTSTRAP_EVENT $NODE_BOOTSTRAP_NODE']
    - reloadOrRestart: [announcer.service]
  afterRenew:
    - reloadOrRestart: [announcer.service]
`

const serving = (address: string): string => `certificate:
  serving: { names: [worker-1.example.com], addresses: [${address}] }
`

/** As README.md says; the rest of a kubelet's configuration is its own. */
const KUBELET_CONFIGURATION = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
tlsCertFile: /var/lib/kubelet/pki/kubelet-server-current.pem
tlsPrivateKeyFile: /var/lib/kubelet/pki/kubelet-server-current.pem
`

const clusterFile = (server: string, caPem: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: '', cluster: { server, 'certificate-authority-data': Buffer.from(caPem).toString('base64') } }],
  })

const fileDiscovery = (token: string): string => `apiVersion: node-bootstrap/v1
kind: JoinConfiguration
discovery:
  file: { path: /etc/node-bootstrap/cluster-info.yaml }
bootstrap:
  token: ${token}
`

describeSystem('The sandbox of the unit', () => {
  let machine: Machine
  let controlPlane: ControlPlane
  /** With hooks; of those tests that build on each other. */
  let yaml = ''
  useScene(async (scene) => {
    ;({ machine, controlPlane } = scene)
    await machine.run(installCommand())
    await layBaits(machine)
  })

  const reloaded = () =>
    until(
      machine,
      'the unit was reloaded',
      async () => (await machine.attempt('test -e /run/announcer-reloaded')).status === 0,
    )

  const join = async (text: string): Promise<void> => {
    await configure(machine, text)
    await machine.run('systemctl restart node-bootstrap')
    await joined(machine)
  }

  /** Nowhere but where the service manager keeps it, and in `except`. */
  async function assertToldNowhere(token: string, except?: string): Promise<void> {
    const secret = token.slice(token.indexOf('.') + 1)
    const { stdout } = await machine.attempt(
      `grep -rlsaF --exclude-dir=credentials ${secret} /etc /run /var /usr/local`,
    )
    assert.deepEqual(
      stdout.split('\n').filter((path) => path !== ''),
      except === undefined ? [] : [except],
    )
    const pid = await agentPid(machine)
    assert.notEqual(pid, '0')
    const told = await machine.attempt(`grep -lsaF ${secret} /proc/${pid}/environ /proc/${pid}/cmdline`)
    assert.deepEqual([told.status, told.stdout], [1, ''])
  }

  /** What the kubelet's server would present by the file that `key` of its configuration names; it must be root's alone. */
  async function servedBy(key: 'tlsCertFile' | 'tlsPrivateKeyFile'): Promise<string> {
    const path = await machine.run(`sed -n 's/^${key}: //p' /var/lib/kubelet/config.yaml`)
    assert.equal((await machine.run(`stat --dereference --format='%U %a' ${path}`)).trim(), 'root 600')
    return machine.run(`cat ${path}`)
  }

  /** Approves the serving certificate for this address, and resolves with it once it is in force. */
  async function servedAt(address: string): Promise<X509Certificate> {
    const wants = ({ serving: seen }: Status): boolean => seen?.request?.names?.includes(address) === true
    const waiting = await statusWhere(
      machine,
      `the request for ${address} waits for approval`,
      (status) => wants(status) && status.serving?.request?.createdAt !== undefined,
    )
    await controlPlane.approve(waiting.serving?.request?.name ?? '')
    await statusWhere(
      machine,
      `the certificate for ${address} is in force`,
      ({ state, serving: seen }) => state === 'healthy' && seen?.certificate?.names?.includes(address) === true,
    )
    const certificate = new X509Certificate(await servedBy('tlsCertFile'))
    assert.ok(certificate.checkPrivateKey(createPrivateKey(await servedBy('tlsPrivateKeyFile'))))
    return certificate
  }

  it('is rated at most 2.0 by systemd-analyze security', async () => {
    const text = await machine.run('systemd-analyze security --no-pager node-bootstrap.service')
    const [, exposure = ''] = /Overall exposure level for node-bootstrap\.service: ([\d.]+)/.exec(text) ?? []
    assert.ok(exposure !== '' && Number(exposure) <= 2, text)
  })

  it('takes the token as a credential in the clear, as the drop-in says; it then stands nowhere else', async () => {
    const token = await controlPlane.createToken()
    await machine.run('cat | install -D -m 600 /dev/stdin /etc/credstore/node-bootstrap.join-token', `${token}\n`)
    await dropIn(machine, 'credential', await machine.run('cat /usr/share/node-bootstrap/drop-ins/credential.conf'))
    await join(joinYaml(controlPlane, { tokenLine: 'tokenCredential: join-token' }))
    await assertToldNowhere(token, '/etc/credstore/node-bootstrap.join-token')
    await leaveCluster(machine)
    await machine.run('rm /etc/credstore/node-bootstrap.join-token')
  })

  it('takes it encrypted, as the other drop-in says; it then stands nowhere at all', async () => {
    const token = await controlPlane.createToken()
    await machine.run(
      `mkdir -p -m 700 /etc/credstore.encrypted &&
       systemd-creds encrypt --name=join-token - /etc/credstore.encrypted/node-bootstrap.join-token`,
      `${token}\n`,
    )
    const text = await machine.run('cat /usr/share/node-bootstrap/drop-ins/credential-encrypted.conf')
    await dropIn(machine, 'credential', text)
    await join(joinYaml(controlPlane, { tokenLine: 'tokenCredential: join-token' }))
    await assertToldNowhere(token)
    await leaveCluster(machine)
    await dropIn(machine, 'credential', '')
  })

  it('lets hooks run, and units be started by them', async () => {
    await machine.write('/etc/systemd/system/announcer.service', ANNOUNCER)
    await machine.run('systemctl daemon-reload')
    yaml = joinYaml(controlPlane, { token: await controlPlane.createToken(), more: HOOKS })
    await join(yaml)
    await until(
      machine,
      'the unit was started',
      async () => (await activeState(machine, 'announcer.service')) === 'active',
    )
    assert.match(await journal(machine), /hook: joined worker-1/)
    assert.equal((await machine.attempt('test -e /run/announcer-reloaded')).status, 1)
  })

  it('writes where its own and the kubelet’s files are, and nowhere else; no home, tmp or container runtime is in reach', async () => {
    assert.deepEqual(await writableInside(machine, OWN), OWN)
    assert.deepEqual(await writableInside(machine, FOREIGN), [])
    assert.deepEqual(await baitsInside(machine), [])
  })

  it('has no capability, gains no privilege, and is held by a filter of system calls', async () => {
    const status = await processStatus(machine)
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) assert.match(status[set] ?? '', /^0+$/, set)
    assert.deepEqual([status['NoNewPrivs'], status['Seccomp']], ['1', '2'])
  })

  it('is tried again without limit, but for what no start would mend, and is ordered as its unit says', async () => {
    const is = { Type: 'notify', Restart: 'on-failure', RestartPreventExitStatus: '64 78', StartLimitIntervalUSec: '0' }
    for (const [name, value] of Object.entries(is)) assert.equal(await property(machine, name), value, name)
    const lists = {
      Before: ['kubelet.service'],
      After: ['network-online.target', 'time-sync.target'],
      Wants: ['network-online.target'],
    }
    for (const [name, units] of Object.entries(lists)) {
      const listed = (await property(machine, name)).split(' ')
      assert.deepEqual(
        units.filter((unit) => !listed.includes(unit)),
        [],
        name,
      )
    }
  })

  it('is known by its name and its own arguments, and a SIGUSR1 opens no debugger', async () => {
    const pid = await agentPid(machine)
    assert.equal(await machine.run(`cat /proc/${pid}/comm`), 'node-bootstrap\n')
    const program =
      '/usr/lib/node-bootstrap/node --disable-sigusr1 --use-openssl-ca /usr/lib/node-bootstrap/node-bootstrap.cjs'
    assert.equal(await machine.run(`tr '\\0' ' ' </proc/${pid}/cmdline`), `${program} run `)
    // In each of its threads: by one of them it would come through.
    for (const [, blocked = ''] of (await machine.run(`cat /proc/${pid}/task/*/status`)).matchAll(/^SigBlk:\t(.*)$/gm))
      assert.equal(Number.parseInt(blocked, 16) & SIGUSR1, SIGUSR1)
    await machine.run(`kill -USR1 ${pid}`)
    // What it hears after that, it has answered: a debugger would be open by now.
    await machine.run('systemctl reload node-bootstrap')
    await until(machine, 'it has reloaded', async () => (await journal(machine)).includes('asked to reload'))
    assert.equal(await agentPid(machine), pid)
    const listening = await machine.run(`cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == "0A" { print $10 }'`)
    const own = await machine.run(`ls -l /proc/${pid}/fd`)
    assert.deepEqual(
      listening.split('\n').filter((inode) => inode !== '' && own.includes(`socket:[${inode}]`)),
      [],
    )
  })

  it('lets a certificate be renewed, and the unit be reloaded by the hook', async () => {
    const before = (await joined(machine)).certificate?.fingerprint
    // By the agent, inside: the command finds it, and does not take its place.
    assert.doesNotMatch((await machine.attempt('node-bootstrap renew')).stderr, /node-bootstrap \S+ starts/)
    assert.notEqual((await joined(machine)).certificate?.fingerprint, before)
    await reloaded()
  })

  it('lets the kubelet’s server have a certificate, another one for another address, and the hooks for each', async () => {
    await machine.write('/var/lib/kubelet/config.yaml', KUBELET_CONFIGURATION)
    for (const address of ['10.0.0.21', '10.0.0.22']) {
      await machine.run('rm /run/announcer-reloaded')
      await configure(machine, yaml + serving(address))
      const certificate = await servedAt(address)
      assert.equal(certificate.subjectAltName, `DNS:worker-1.example.com, IP Address:${address}`)
      assert.ok(certificate.verify(new X509Certificate(controlPlane.caPem).publicKey))
      await reloaded()
    }
    await leaveCluster(machine)
    assert.equal(await machine.run('ls /var/lib/kubelet/pki'), '')
    await machine.run('rm /var/lib/kubelet/config.yaml')
  })

  it('lets the cluster be discovered by a file below /etc', async () => {
    await machine.write(
      '/etc/node-bootstrap/cluster-info.yaml',
      clusterFile(`https://${controlPlane.endpoint}`, controlPlane.caPem),
    )
    await join(fileDiscovery(await controlPlane.createToken()))
    await leaveCluster(machine)
  })

  it('lets HTTPS_PROXY of a drop-in be used', async function () {
    // The embedded control plane has a certificate for loopback alone, to which no proxy is asked.
    if (controlPlane.kind === 'embedded') this.skip()
    await using proxy = await ConnectProxy.start()
    const server = controlPlane.endpoint.replace('127.0.0.1', 'api.lab.test')
    await machine.write('/etc/node-bootstrap/cluster-info.yaml', clusterFile(`https://${server}`, controlPlane.caPem))
    await dropIn(machine, 'proxy', `[Service]\nEnvironment=HTTPS_PROXY=${proxy.url}\n`)
    await join(fileDiscovery(await controlPlane.createToken()))
    assert.deepEqual([...new Set(proxy.connects.map(({ target }) => target))], [server])
    await machine.run('systemctl stop node-bootstrap')
  })
})
