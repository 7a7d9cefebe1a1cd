/** The kubelet's serving certificate beside a control plane: asked for by the node, approved by an administrator or denied. */
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { lstat, readFile, stat } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import type { CertificateSigningRequest } from 'kubernetes-types/certificates/v1.js'
import type { AgentProcess } from '../harness/agent-process.ts'
import { eventually } from '../harness/eventually.ts'
import { DEADLINE_MS, openssl, type JoiningNode } from '../harness/joining-node.ts'
import { terminate, type Suite } from './behaviour-suite.ts'

const WAITING = /"message":"the request for the serving certificate waits for approval"/
const INSTALLED = /"message":"the serving certificate is installed"/

const serving = (addresses: readonly string[]): Record<string, unknown> => ({
  certificate: { serving: { names: ['worker.example.com', 'worker'], addresses } },
})

const servingRequests = async (node: JoiningNode): Promise<CertificateSigningRequest[]> =>
  (await node.requests()).filter(({ spec }) => spec.signerName === 'kubernetes.io/kubelet-serving')

const pathOf = (node: JoiningNode): string => join(node.files.certificates, 'kubelet-server-current.pem')

/** The request that waits, once the agent has said so. */
async function waitingRequest(node: JoiningNode, agent: AgentProcess, from = 0): Promise<string> {
  const line = await agent.waitForLine(WAITING, { from, timeoutMs: DEADLINE_MS })
  const { request, approve } = JSON.parse(line) as Record<string, string>
  assert.equal(approve, `kubectl certificate approve ${request ?? ''}`)
  assert.ok((await servingRequests(node)).some(({ metadata }) => metadata?.name === request))
  return request ?? ''
}

/** openssl(1) as the client of a server that has nothing but the file, and the cluster's CA as what it believes. */
async function handshake(node: JoiningNode, address: string): Promise<void> {
  const pair = await readFile(pathOf(node))
  const server = createServer({ cert: pair, key: pair }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const verified = ['-CAfile', node.files.ca, '-verify_return_error', '-purpose', 'sslserver', '-verify_ip', address]
  try {
    await openssl(['s_client', '-connect', `127.0.0.1:${port}`, ...verified])
  } finally {
    server.close()
  }
}

/** Asks for a new one by hand, approves it as an administrator does, and sees it in force. */
async function renewed({ controlPlane }: Suite, node: JoiningNode): Promise<void> {
  const [before, known] = [await readFile(pathOf(node), 'utf8'), (await servingRequests(node)).length]
  const renewing = node.command('renew', '--serving', '--timeout', '60s')
  const request = await eventually('a request', { deadlineMs: DEADLINE_MS }, async () => {
    const requests = await servingRequests(node)
    return requests.length > known ? requests.find(({ status }) => status?.conditions === undefined) : undefined
  })
  await controlPlane.approve(request.metadata?.name ?? '')
  const { code, agent } = await renewing
  assert.equal(code, 0, agent.lines.join('\n'))
  const after = await readFile(pathOf(node), 'utf8')
  assert.notEqual(after, before)
  const digits = new X509Certificate(after).fingerprint256.replaceAll(':', '').toLowerCase()
  assert.equal(agent.stdout.at(-1), `renewed: the serving certificate in force is SHA256:${digits}`)
}

export function servingBehaviours(suite: Suite): void {
  it('asks for a serving certificate as the node, installs what an administrator approved, and asks anew for another address', async () => {
    const node = await suite.node({ overrides: serving(['fd00::21', '10.0.0.21']) })
    const agent = node.start()
    const name = await waitingRequest(node, agent)
    const waiting = await node.statusWhere(agent, 'waiting', ({ problem }) => problem?.code === 'serving-not-approved')
    assert.equal(waiting.state, 'degraded')
    assert.match(waiting.problem?.message ?? '', /nothing in Kubernetes approves these by itself/)
    assert.ok(waiting.problem?.hint.endsWith(`kubectl certificate approve ${name}`))
    const [request] = await servingRequests(node)
    assert.equal(request?.spec.username, `system:node:${node.name}`)
    const asked = await openssl(['req', '-noout', '-text'], Buffer.from(request.spec.request, 'base64').toString())
    assert.match(
      asked,
      /DNS:worker, DNS:worker\.example\.com, IP Address:10\.0\.0\.21, IP Address:FD00:0:0:0:0:0:0:21\n/,
    )

    await suite.controlPlane.approve(name)
    await agent.waitForLine(INSTALLED, { timeoutMs: DEADLINE_MS })
    await node.joined(agent)
    const first = await readFile(pathOf(node), 'utf8')
    const text = await openssl(['x509', '-noout', '-text', '-nameopt', 'RFC2253'], first)
    assert.match(text, new RegExp(`Subject: CN=system:node:${node.name},O=system:nodes\\n`))
    assert.match(text, /X509v3 Extended Key Usage: *(critical)?\n +TLS Web Server Authentication\n/)
    assert.match(
      text,
      /DNS:worker, DNS:worker\.example\.com, IP Address:10\.0\.0\.21, IP Address:FD00:0:0:0:0:0:0:21\n/,
    )
    assert.ok(new X509Certificate(first).checkPrivateKey(createPrivateKey(first)))
    assert.ok((await lstat(pathOf(node))).isSymbolicLink())
    assert.equal(((await stat(pathOf(node))).mode & 0o777).toString(8), '600')
    await handshake(node, '10.0.0.21')
    await handshake(node, 'fd00::21')
    await assert.rejects(handshake(node, '10.0.0.22'))

    const from = agent.lines.length
    await node.configure(serving(['10.0.0.22']))
    const second = await waitingRequest(node, agent, from)
    assert.equal(await readFile(pathOf(node), 'utf8'), first)
    await suite.controlPlane.approve(second)
    await agent.waitForLine(INSTALLED, { from, timeoutMs: DEADLINE_MS })
    assert.match(new X509Certificate(await readFile(pathOf(node))).subjectAltName ?? '', /IP Address:10\.0\.0\.22$/)

    await renewed(suite, node)
    assert.ok(agent.lines.some((line) => line.includes('"message":"asked to renew the serving certificate now"')))
    await terminate(agent)
    await renewed(suite, node)
  })

  it('renews its own identity while the serving certificate waits, and keeps it where that one is denied', async () => {
    const node = await suite.node({ overrides: serving(['10.0.0.21']) })
    const agent = node.start()
    const name = await waitingRequest(node, agent)
    const before = await node.current()
    assert.equal((await node.command('renew', '--timeout', '60s')).code, 0)
    assert.notEqual((await node.current()).certificate.serialNumber, before.certificate.serialNumber)
    await suite.controlPlane.deny(name, 'NotThisOne', 'the address is not the machine’s')
    const { state, problem } = await node.statusWhere(
      agent,
      'denied',
      (status) => status.problem?.code === 'csr-denied',
    )
    assert.equal(state, 'degraded')
    assert.match(problem?.message ?? '', /NotThisOne/)
    assert.ok([200, 404].includes(await node.askForOwnNode()))
    assert.equal((await servingRequests(node)).length, 1)
    await terminate(agent)
  })

  it('killed between the file and the link, goes on with the one request for the serving certificate', async () => {
    const node = await suite.node({ overrides: serving(['10.0.0.21']) })
    const crashed = node.startToCrash('after:/kubelet-server-\\d.*\\.pem$')
    await suite.controlPlane.approve(await waitingRequest(node, crashed))
    assert.equal((await crashed.exited).signal, 'SIGKILL', crashed.lines.join('\n'))
    const agent = node.start()
    const { serving: status } = await node.joined(agent)
    const pair = await readFile(pathOf(node), 'utf8')
    assert.ok(new X509Certificate(pair).checkPrivateKey(createPrivateKey(pair)))
    assert.deepEqual(status?.certificate?.names, ['worker', 'worker.example.com', '10.0.0.21'])
    assert.equal((await servingRequests(node)).length, 1)
    await terminate(agent)
  })
}
