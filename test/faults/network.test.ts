import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCertificateAuthority } from '../../src/dev-cluster/certificate-authority.ts'
import { temporaryDirectory } from '../harness/temporary-directory.ts'
import { assertPaced, createScene, DEADLINE_MS, waitForJoin, waitForMessage } from '../integration/bad-input/scene.ts'

const ADDRESS = '10.231.77.1'
const ENDPOINT = `${ADDRESS}:6443`
const PROGRAM =
  process.env['NODE_BOOTSTRAP_PROGRAM'] ?? fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
/** On the cluster's side of the cable: what comes is handed to a socket in the file system, which no namespace divides. */
const RELAY = `
const { connect, createServer } = require('node:net')
const [socket, port, host] = process.argv.slice(1)
createServer((from) => {
  const to = connect(socket)
  for (const [one, other] of [[from, to], [to, from]]) one.on('error', () => other.destroy()).pipe(other)
}).listen(port, host, () => console.log('ready'))`

function ip(...args: string[]): void {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr}`)
}

/** Two network namespaces and a cable between them; nothing else is reachable from either. */
class Cable implements Disposable {
  readonly cluster = `nb-cluster-${process.pid}`
  readonly node = `nb-node-${process.pid}`

  constructor() {
    try {
      for (const name of [this.cluster, this.node]) ip('netns', 'add', name)
      ip('-n', this.cluster, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', this.node)
      ip('-n', this.cluster, 'address', 'add', `${ADDRESS}/24`, 'dev', 'cable')
      ip('-n', this.node, 'address', 'add', '10.231.77.2/24', 'dev', 'cable')
      for (const name of [this.cluster, this.node]) ip('-n', name, 'link', 'set', 'cable', 'up')
    } catch (thrown) {
      this[Symbol.dispose]()
      throw thrown
    }
  }

  set(state: 'up' | 'down'): void {
    ip('-n', this.cluster, 'link', 'set', 'cable', state)
  }

  [Symbol.dispose](): void {
    for (const name of [this.cluster, this.node]) spawnSync('ip', ['netns', 'delete', name])
  }
}

const problem = ((): string | undefined => {
  try {
    using cable = new Cable()
    cable.set('down')
    return undefined
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message.trim() : 'no network namespaces'
  }
})()

/** Whoever connects to `socket` speaks with `endpoint`. */
async function serve(socket: string, endpoint: string): Promise<AsyncDisposable> {
  const { hostname: host, port } = new URL(`tcp://${endpoint}`)
  const open = new Set<Socket>()
  const server = createServer((from) => {
    const to = connect(Number(port), host)
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      open.add(one)
      one.on('error', () => other.destroy()).on('close', () => open.delete(one))
      one.pipe(other)
    }
  }).listen(socket)
  await once(server, 'listening')
  return {
    [Symbol.asyncDispose]: async () => {
      for (const each of open) each.destroy()
      await server[Symbol.asyncDispose]()
    },
  }
}

async function relay(cable: Cable, socket: string): Promise<AsyncDisposable> {
  const args = ['netns', 'exec', cable.cluster, process.execPath, '-e', RELAY, socket, '6443', ADDRESS]
  const child = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

;(problem === undefined ? describe : describe.skip)(
  `a cable between the node and its cluster${problem === undefined ? '' : ` (skipped: ${problem})`}`,
  () => {
    it('that is pulled while the request waits is told, and the node joins by itself once it is back', async () => {
      using cable = new Cable()
      await using directory = await temporaryDirectory()
      const ca = createCertificateAuthority({})
      const serverCertificate = ca.issue({
        ipAddresses: ['127.0.0.1', ADDRESS],
        extendedKeyUsages: ['serverAuth'],
      })
      await using scene = await createScene({
        clusterOptions: { approval: 'manual', ca, serverCertificate },
        overrides: { discovery: { timeout: '1s', token: { endpoints: [ENDPOINT] } } },
      })
      const { cluster } = scene
      const socket = join(directory.path, 'cluster.sock')
      await using connections = new AsyncDisposableStack()
      connections.use(await serve(socket, cluster.endpoint))
      connections.use(await relay(cable, socket))
      cluster.patchClusterInfo(
        (data) => ({ ...data, kubeconfig: (data['kubeconfig'] ?? '').replace(cluster.endpoint, ENDPOINT) }),
        { sign: true },
      )
      const agent = scene.daemon({ entry: ['ip', 'netns', 'exec', cable.node, process.execPath, PROGRAM] })
      await waitForMessage(agent, /the request waits for approval/)

      cable.set('down')
      const cut = agent.lines.length
      // It would notice by itself when the watch ends; asked to look now, it cannot reach the cluster.
      agent.kill('SIGHUP')
      await agent.waitForLine(/"code":"(timed-out|unreachable)"/, {
        from: cut,
        timeoutMs: DEADLINE_MS,
      })
      for (const { metadata } of cluster.listCertificateSigningRequests()) cluster.approve(metadata.name)

      cable.set('up')
      await waitForJoin(agent, cut)
      assert.equal(cluster.listCertificateSigningRequests().length, 1)
      assertPaced(agent.lines)
    }).timeout(3 * DEADLINE_MS)
  },
)
