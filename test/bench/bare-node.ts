/** What the agent is measured beside: Node.js with its default flags that has loaded https and tls, and rests. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { createCertificateAuthority } from '../../src/dev-cluster/certificate-authority.ts'
import { PACKAGED_ENVIRONMENT } from './as-packaged.ts'

export const BARE_LIBRARIES = "require('node:https'); require('node:tls')"
/** All are measured with the same lists of certificates: none but their own. */
export const BARE_ENVIRONMENT = { ...process.env, ...PACKAGED_ENVIRONMENT }

export type BareNode = AsyncDisposable & { pid: number }

/** It has spoken to nobody. Dispose of it. */
export function spawnBareNode(): BareNode {
  return spawnNode(`${BARE_LIBRARIES}; setInterval(() => {}, 60000)`)
}

/** It has verified a server, and holds the connection to it, on which nothing is said any more. Dispose of it. */
export async function spawnConnectedNode(): Promise<BareNode> {
  const authority = createCertificateAuthority()
  const { certificatePem, privateKeyPem } = authority.issue({ commonName: 'server', dnsNames: ['localhost'] })
  const server = createServer({ cert: certificatePem, key: privateKeyPem })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const options = { host: '127.0.0.1', port, servername: 'localhost', ca: authority.certificatePem }
  const held = once(server, 'secureConnection') as Promise<[TLSSocket]>
  const node = spawnNode(`${BARE_LIBRARIES}; require('node:tls').connect(${JSON.stringify(options)})`)
  const [socket] = await held
  return {
    pid: node.pid,
    [Symbol.asyncDispose]: async () => {
      await node[Symbol.asyncDispose]()
      socket.destroy()
      server.close()
    },
  }
}

function spawnNode(program: string): BareNode {
  const child = spawn(process.execPath, ['-e', program], { stdio: 'ignore', env: BARE_ENVIRONMENT })
  const exited = once(child, 'exit')
  return {
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      child.kill()
      await exited
    },
  }
}
