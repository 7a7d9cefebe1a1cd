/** What the agent does beside a control plane, said once and run against each kind of one. */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { appendFile, lstat, mkdir, readFile, readlink, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { systemClock } from '../../src/adapters/clock.ts'
import { GotHttp } from '../../src/adapters/http.ts'
import { publishedAuthorities } from '../../src/discovery/published-authorities.ts'
import { ApiClient } from '../../src/kube/api-request.ts'
import { USER_AGENT } from '../../src/lib/version.ts'
import { certificateToPem, parseCertificates } from '../../src/pki/certificate.ts'
import { eventually } from '../harness/eventually.ts'
import { bootstrapErrorOf } from '../harness/thrown.ts'
import type { AgentProcess } from '../harness/agent-process.ts'
import { DEADLINE_MS, openssl, type JoiningNode } from '../harness/joining-node.ts'
import { kill, Suite, terminate, type StartControlPlane } from './behaviour-suite.ts'
import { discoveryBehaviours } from './discovery-behaviours.ts'
import { servingBehaviours } from './serving-behaviours.ts'

const TIMEOUT_MS = 180_000
const TEN_MINUTES_MS = 600_000

const CA_FILE_MARK = '# Written by node-bootstrap, which keeps it current.\n'
const JOINED = /"message":"joined"/
const PENDING = /"message":"the request waits for approval"/
const DENIED = /"code":"csr-denied"/

export function behaviours(start: StartControlPlane): void {
  describe('with automatic approval', function () {
    this.timeout(TIMEOUT_MS)
    withAutomaticApproval(new Suite(start, { approval: 'automatic', certificateDurationMs: TEN_MINUTES_MS }))
  })
  describe('with manual approval', function () {
    this.timeout(TIMEOUT_MS)
    withManualApproval(new Suite(start, { approval: 'manual' }))
  })
  describe('without anonymous access', function () {
    this.timeout(TIMEOUT_MS)
    withoutAnonymousAccess(new Suite(start, { anonymousAuth: false }))
  })
}

function withAutomaticApproval(suite: Suite): void {
  joining(suite)
  crashes(suite)
  renewal(suite)
  rotationOfTheAuthority(suite)
  hooks(suite)
  servingBehaviours(suite)
  configuration(suite)
  discoveryBehaviours(suite)
}

const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8)

function joining(suite: Suite): void {
  it('joins: one request, a certificate that authenticates, files and modes as documented', async () => {
    const node = await suite.node()
    const agent = node.start()
    const status = await node.joined(agent)

    assert.equal(status.node, node.name)
    assert.equal((await node.requests()).length, 1)
    assert.equal((await node.request()).spec.username?.split(':').slice(0, 2).join(':'), 'system:bootstrap')
    // 404: it authenticated as a node that no kubelet has registered yet.
    assert.ok([200, 404].includes(await node.askForOwnNode()))

    const { pem } = await node.current()
    const text = await openssl(['x509', '-noout', '-text', '-nameopt', 'RFC2253'], pem)
    assert.match(text, new RegExp(`Subject: CN=system:node:${node.name},O=system:nodes\\n`))
    assert.match(text, /X509v3 Extended Key Usage: *(critical)?\n +TLS Web Client Authentication\n/)
    assert.match(text, /ASN1 OID: prime256v1/)
    assert.match(await openssl(['verify', '-CAfile', node.files.ca, node.currentPath]), /: OK/)

    const { kubeconfig, ca, certificates, state, runtime } = node.files
    const target = resolve(certificates, await readlink(node.currentPath))
    assert.ok((await lstat(node.currentPath)).isSymbolicLink())
    assert.equal(dirname(target), certificates)
    assert.match(basename(target), /^kubelet-client-\d{4}(-\d\d){5}\.pem$/)
    assert.deepEqual(
      await Promise.all(
        [target, kubeconfig, ca, join(runtime, 'status.json'), join(state, 'cluster.json')].map(modeOf),
      ),
      ['600', '600', '644', '644', '600'],
    )
    assert.equal(await modeOf(state), '700')
    assert.equal(await readFile(ca, 'utf8'), `${CA_FILE_MARK}${suite.controlPlane.caPem.trim()}\n`)
    const config = await readFile(kubeconfig, 'utf8')
    assert.ok(
      config.includes(`client-certificate: "${node.currentPath}"`) &&
        config.includes(`client-key: "${node.currentPath}"`),
    )
    assert.ok(config.includes(`server: "https://${suite.controlPlane.endpoint}"`))
    assert.doesNotMatch(config, /-data:|token/)
    await terminate(agent)
  })

  for (const [keyAlgorithm, shown] of [
    ['ECDSA-P384', /ASN1 OID: secp384r1/],
    ['RSA-2048', /Public-Key: \(2048 bit\)/],
  ] as const)
    it(`joins with a key of ${keyAlgorithm}`, async () => {
      const node = await suite.node({ overrides: { certificate: { keyAlgorithm } } })
      await node.joined(node.start())
      assert.match(await openssl(['x509', '-noout', '-text'], (await node.current()).pem), shown)
      assert.ok([200, 404].includes(await node.askForOwnNode()))
    })

  it('joins twice under one name, each with a certificate of its own', async () => {
    const [one, other] = await Promise.all(
      ['one', 'other'].map(async (part) => {
        const directory = join(suite.directory, part)
        await mkdir(directory)
        const node = await suite.node({ name: 'twin', directory })
        await node.joined(node.start())
        return node
      }),
    )
    assert.equal((await one?.requests())?.length, 2)
    assert.notEqual(
      (await one?.current())?.certificate.serialNumber,
      (await other?.current())?.certificate.serialNumber,
    )
    assert.ok([200, 404].includes((await one?.askForOwnNode()) ?? 0))
    assert.ok([200, 404].includes((await other?.askForOwnNode()) ?? 0))
  })

  it('asks as another token than the one that discovery trusts', async () => {
    const token = await suite.controlPlane.createToken({ authentication: false })
    const bootstrap = await suite.controlPlane.createToken({ signing: false })
    const node = await suite.node({ token, overrides: { bootstrap: { token: bootstrap } } })
    await node.joined(node.start())
    assert.equal((await node.request()).spec.username, `system:bootstrap:${bootstrap.slice(0, 6)}`)
  })

  it('reads the token from a file', async () => {
    const token = await suite.controlPlane.createToken()
    const tokenFile = join(suite.directory, 'token')
    await writeFile(tokenFile, `${token}\n`, { mode: 0o600 })
    const node = await suite.node({ token, overrides: { discovery: { token: { token: undefined, tokenFile } } } })
    await node.joined(node.start())
  })

  it('joins by a CA file where cluster-info carries no CA', async () => {
    const token = await suite.controlPlane.createToken()
    let before: Record<string, string> = {}
    await suite.controlPlane.updateClusterInfo((data) => {
      before = data
      return { ...data, kubeconfig: (data['kubeconfig'] ?? '').replace(/^ *certificate-authority-data:.*\n/m, '') }
    })
    try {
      const caFile = join(suite.directory, 'trusted-ca.crt')
      await writeFile(caFile, suite.controlPlane.caPem)
      const overrides = { discovery: { token: { caCertHashes: undefined, caFile } } }
      const node = await suite.node({ token, overrides })
      const status = await node.joined(node.start())
      assert.ok(status.cluster?.evidence.verified.includes('its CA is in caFile'))
    } finally {
      await suite.controlPlane.updateClusterInfo((data) => ({ ...data, kubeconfig: before['kubeconfig'] ?? '' }))
    }
  })

  it('waits for an API server that comes later', async () => {
    const node = await suite.node()
    await suite.controlPlane.stopApiServer()
    let agent
    try {
      agent = node.start()
      const status = await node.statusWhere(
        agent,
        'connection-refused',
        ({ problem }) => problem?.code === 'connection-refused',
      )
      assert.equal(status.state, 'waiting')
      assert.equal(status.step, 'cluster')
    } finally {
      await suite.controlPlane.startApiServer()
    }
    await node.joined(agent)
    assert.equal((await node.requests()).length, 1)
  })

  it('ends on SIGTERM while it looks for the cluster, and while it rests', async () => {
    const overrides = { discovery: { token: { endpoints: ['127.0.0.1:1'] } } }
    const node = await suite.node({ overrides })
    const lost = node.start()
    await lost.waitForLine(/"code":"connection-refused"/, { timeoutMs: DEADLINE_MS })
    await terminate(lost)
    await node.configure()
    const found = node.start()
    await found.waitForLine(JOINED, { timeoutMs: DEADLINE_MS })
    await terminate(found)
  })
}

function rotationOfTheAuthority(suite: Suite): void {
  it('follows its cluster to another CA: takes both, outlives the new serving certificate, and holds back what drops its own', async () => {
    const { controlPlane } = suite
    const { caPem, nextCaPem } = controlPlane
    const node = await suite.node()
    const agent = node.start()
    await node.joined(agent)
    const publish = async (bundle: string): Promise<void> => {
      const data = Buffer.from(bundle).toString('base64')
      await controlPlane.updateClusterInfo((each) => ({
        ...each,
        kubeconfig: (each['kubeconfig'] ?? '').replace(/(certificate-authority-data:).*/, `$1 ${data}`),
      }))
      // For who will not wait an hour.
      agent.kill('SIGHUP')
    }
    try {
      await publish(nextCaPem + caPem)
      await node.statusWhere(agent, 'two CAs', ({ cluster }) => cluster?.caCertHashes.length === 2)
      await node.joined(agent)
      assert.equal(await readFile(node.files.ca, 'utf8'), CA_FILE_MARK + nextCaPem + caPem)

      await controlPlane.serveUnder('next')
      const askedMs = Date.now()
      agent.kill('SIGHUP')
      await node.statusWhere(
        agent,
        'accepted by the new server',
        ({ state, authentication }) =>
          state === 'healthy' &&
          authentication !== undefined &&
          'acceptedAt' in authentication &&
          Date.parse(authentication.acceptedAt) >= askedMs,
      )
      assert.ok([200, 404].includes(await node.askForOwnNode()))

      await publish(nextCaPem)
      const { state } = await node.statusWhere(
        agent,
        'held back',
        ({ problem }) => problem?.code === 'ca-bundle-held-back',
      )
      assert.equal(state, 'degraded')
      assert.equal(await readFile(node.files.ca, 'utf8'), CA_FILE_MARK + nextCaPem + caPem)
    } finally {
      await controlPlane.serveUnder('first')
      await publish(caPem)
    }
    await node.joined(agent)
    assert.equal((await node.requests()).length, 1)
  })
}

/** The durable steps of a join, in their order, as the renames that they end in. */
const crashPoints: [string, string][] = [
  ['before the discovered cluster is kept', 'before:/cluster\\.json$'],
  ['after the discovered cluster is kept', 'after:/cluster\\.json$'],
  ['before the key is kept', 'before:/pending-request\\.pem$'],
  ['after the key is kept', 'after:/pending-request\\.pem$'],
  ['before the certificate is written', 'before:/kubelet-client-\\d.*\\.pem$'],
  ['between the certificate and the link', 'after:/kubelet-client-\\d.*\\.pem$'],
  ['between the link and the kubeconfig', 'after:/kubelet-client-current\\.pem$'],
  ['between the CA and the kubeconfig', 'after:/ca\\.crt$'],
  ['after the kubeconfig is written', 'after:/kubelet\\.conf$'],
]

function crashes(suite: Suite): void {
  for (const [when, crashPoint] of crashPoints)
    it(`killed ${when}, goes on where it was: one request in all, and never a broken pair`, async () => {
      const node = await suite.node()
      const crashed = node.startToCrash(crashPoint)
      assert.equal((await crashed.exited).signal, 'SIGKILL', crashed.lines.join('\n'))
      await node.checkCurrentPair()
      const agent = node.start()
      await node.joined(agent)
      assert.ok((await node.checkCurrentPair()) !== undefined)
      await node.request()
      assert.ok([200, 404].includes(await node.askForOwnNode()))
      await terminate(agent)
    })
}

function renewal(suite: Suite): void {
  it('renews as the node itself when the window of the rotation has come', async () => {
    const node = await suite.node()
    const agent = node.start()
    await node.joined(agent)
    const before = await node.current()
    const from = agent.lines.length
    // Of the ten minutes from the writing of the file: five seconds or six.
    await node.configure({ certificate: { rotation: { window: [0.008, 0.01] } } })
    await agent.waitForLine(/"message":"the certificate is installed"/, { from, timeoutMs: DEADLINE_MS })
    await agent.waitForLine(JOINED, { from, timeoutMs: DEADLINE_MS })
    await terminate(agent)

    const [first, second, ...more] = await node.requests()
    assert.equal(more.length, 0)
    assert.match(first?.spec.username ?? '', /^system:bootstrap:/)
    assert.equal(second?.spec.username, `system:node:${node.name}`)
    const after = await node.current()
    assert.notEqual(after.certificate.serialNumber, before.certificate.serialNumber)
    assert.equal(after.certificate.publicKey.equals(before.certificate.publicKey), false)
    assert.ok([200, 404].includes(await node.askForOwnNode()))
  })

  it('renews when it is asked to: by the agent that runs, and by the command where none does', async () => {
    const node = await suite.node()
    const agent = node.start()
    await node.joined(agent)
    const first = await node.current()
    const byAgent = await node.command('renew', '--timeout', '60s')
    assert.equal(byAgent.code, 0, byAgent.agent.lines.join('\n'))
    const second = await node.current()
    assert.notEqual(second.certificate.serialNumber, first.certificate.serialNumber)
    await terminate(agent)
    const alone = await node.command('renew', '--timeout', '60s')
    assert.equal(alone.code, 0, alone.agent.lines.join('\n'))
    assert.notEqual((await node.current()).certificate.serialNumber, second.certificate.serialNumber)
    const [, ...renewals] = await node.requests()
    assert.deepEqual(
      renewals.map(({ spec }) => spec.username),
      [`system:node:${node.name}`, `system:node:${node.name}`],
    )
    assert.ok([200, 404].includes(await node.askForOwnNode()))
  })
}

const HOOK =
  'echo "$NODE_BOOTSTRAP_EVENT $NODE_BOOTSTRAP_NODE $NODE_BOOTSTRAP_FINGERPRINT" >> "$1"; echo said; exit "${2:-0}"'

function hooks(suite: Suite): void {
  it('runs the hooks after a join that was killed before them, and after a renewal, each once', async () => {
    const ran = join(suite.directory, 'ran')
    const hook = { command: ['/bin/sh', '-c', HOOK, 'hook', ran] }
    const node = await suite.node({ overrides: { hooks: { afterJoin: [hook], afterRenew: [hook] } } })
    const crashed = node.startToCrash('after:/kubelet\\.conf$')
    assert.equal((await crashed.exited).signal, 'SIGKILL')
    const agent = node.start()
    await agent.waitForLine(JOINED, { timeoutMs: DEADLINE_MS })
    const first = await node.current()
    assert.equal((await node.command('renew', '--timeout', '60s')).code, 0)
    await agent.waitForLine(/"message":"a hook has succeeded".*afterRenew/, { timeoutMs: DEADLINE_MS })
    await terminate(agent)
    const again = node.start()
    await again.waitForLine(JOINED, { timeoutMs: DEADLINE_MS })
    const digest = ({ certificate }: typeof first): string =>
      certificate.fingerprint256.replaceAll(':', '').toLowerCase()
    assert.deepEqual((await readFile(ran, 'utf8')).trim().split('\n'), [
      `joined ${node.name} SHA256:${digest(first)}`,
      `renewed ${node.name} SHA256:${digest(await node.current())}`,
    ])
    assert.ok(agent.lines.some((line) => line.includes('"output":"said"')))
  })

  it('tells of a hook that fails, keeps the identity, and runs a corrected one at once', async () => {
    const ran = join(suite.directory, 'ran')
    const hooksWith = (...args: string[]): Record<string, unknown> => ({
      hooks: { afterJoin: [{ command: ['/bin/sh', '-c', HOOK, 'hook', ran, ...args] }] },
    })
    const node = await suite.node({ overrides: hooksWith('3') })
    const agent = node.start()
    const { state, problem } = await node.statusWhere(agent, 'a failed hook', (status) => status.problem !== undefined)
    assert.deepEqual([state, problem?.code], ['degraded', 'hook-failed'])
    assert.match(problem?.message ?? '', /^hooks\.afterJoin\[0\] \(\/bin\/sh\) ended with status 3$/)
    assert.ok([200, 404].includes(await node.askForOwnNode()))
    await node.configure(hooksWith())
    await node.joined(agent)
    await node.request()
  })
}

function configuration(suite: Suite): void {
  it('takes a changed join.yaml up at once, and goes on with the last good one after a bad edit', async () => {
    const node = await suite.node({ overrides: { discovery: { token: { endpoints: ['127.0.0.1:1'] } } } })
    const agent = node.start()
    await node.statusWhere(agent, 'connection-refused', ({ problem }) => problem?.code === 'connection-refused')
    await node.configure()
    await node.joined(agent)

    await appendFile(node.configPath, 'certificat: {}\n')
    const bad = await node.statusWhere(agent, 'a bad edit', (status) => status.configurationProblem !== undefined)
    assert.equal(bad.state, 'healthy')
    assert.ok(bad.configurationProblem?.includes(node.configPath))
    await agent.waitForLine(
      /"level":"error","message":"the changed configuration is not used, the last good one is: /,
      {
        timeoutMs: DEADLINE_MS,
      },
    )

    await node.configure()
    await node.statusWhere(agent, 'the edit taken back', (status) => status.configurationProblem === undefined)
  })

  it('ends with run --once and a status that says how it went', async () => {
    const node = await suite.node()
    const once = async (overrides: Record<string, unknown>, ...args: string[]): Promise<number | null> => {
      await node.configure(overrides)
      return (await node.runOnce(...args)).code
    }
    const discovery = (token: Record<string, unknown>): Record<string, unknown> => ({
      discovery: { token, timeout: '1s' },
    })
    assert.equal(await once(discovery({ endpoints: ['127.0.0.1:1'] })), 69)
    assert.equal(await once(discovery({ caCertHashes: [`sha256:${'0'.repeat(64)}`] })), 76)
    assert.equal(await once(discovery({ token: 'aaaaaa.0123456789abcdef' })), 77)
    assert.equal(await once({ node: { name: 'no name' } }), 78)
    assert.equal(await once({}, '--timeout', 'soon'), 64)
    assert.deepEqual(await node.requests(), [])
    assert.equal(await once({}), 0)
    assert.equal(await once({}), 0)
    assert.equal((await node.requests()).length, 1)

    const agent = node.start()
    await node.joined(agent)
    const second = await node.runOnce()
    assert.equal(second.code, 75)
    assert.match(second.agent.lines.join('\n'), /already-running/)
  })
}

const waitsForApproval = (node: JoiningNode, agent: AgentProcess) =>
  node.statusWhere(agent, 'waits for approval', ({ step, request, problem }) => {
    return step === 'approval' && request?.createdAt !== undefined && problem === undefined
  })

function withManualApproval(suite: Suite): void {
  const approve = async (node: JoiningNode): Promise<void> => {
    await suite.controlPlane.approve((await node.request()).metadata?.name ?? '')
  }

  it('shows what waits for approval: its name, its key and the line that approves it', async () => {
    const node = await suite.node()
    const agent = node.start()
    const { request, state, summary } = await waitsForApproval(node, agent)
    const csr = await node.request()
    const name = csr.metadata?.name ?? ''
    const pem = Buffer.from(csr.spec.request, 'base64').toString('latin1')
    const publicKey = await openssl(['req', '-noout', '-pubkey'], pem)
    assert.equal(request?.name, name)
    assert.equal(request.fingerprint, await fingerprintOf(suite.directory, publicKey))
    assert.equal(request.approve, `kubectl certificate approve ${name}`)
    assert.equal(summary, `waiting for approval: kubectl certificate approve ${name}`)
    assert.equal(state, 'waiting')

    await approve(node)
    const joined = await node.joined(agent)
    assert.equal(joined.request, undefined)
    assert.notEqual(joined.certificate, undefined)
    await node.request()
  })

  it('reports a denial, asks no more after it, and asks again with a new key after SIGHUP', async () => {
    const node = await suite.node()
    const agent = node.start()
    await waitsForApproval(node, agent)
    const denied = (await node.request()).metadata?.name ?? ''
    await suite.controlPlane.deny(denied, 'NotOurs', 'nobody knows this machine')
    const { problem, state } = await node.statusWhere(agent, 'denied', (status) => status.state === 'failed')
    assert.equal(state, 'failed')
    assert.equal(problem?.code, 'csr-denied')
    assert.match(problem.message, /NotOurs: nobody knows this machine/)
    await agent.waitForLine(DENIED, { timeoutMs: DEADLINE_MS })
    await terminate(agent)

    const again = node.start()
    await node.statusWhere(again, 'still denied', (status) => status.state === 'failed')
    await node.request()
    again.kill('SIGHUP')
    await waitsForApproval(node, again)
    const names = (await node.requests()).map(({ metadata }) => metadata?.name)
    assert.equal(names.length, 2)
    const fresh = names.find((name) => name !== denied) ?? ''
    await suite.controlPlane.approve(fresh)
    await node.joined(again)
    assert.equal((await node.requests()).length, 2)
  })

  it('recovers with a new token where the first one was deleted while it waited, over a restart', async () => {
    const node = await suite.node()
    const before = node.start()
    await waitsForApproval(node, before)
    const [id = ''] = (await tokenOf(node)).split('.')
    await terminate(before)
    await suite.controlPlane.deleteToken(id)

    const agent = node.start()
    await node.statusWhere(agent, 'refused', ({ problem }) => problem?.code === 'token-expired')
    await node.configure({}, await suite.controlPlane.createToken())
    await waitsForApproval(node, agent)
    await approve(node)
    await node.joined(agent)
    await node.request()
  })

  it('submits the same request again where it was deleted while it waited', async () => {
    const node = await suite.node()
    const agent = node.start()
    await waitsForApproval(node, agent)
    const first = await node.request()
    const from = agent.lines.length
    await suite.controlPlane.deleteCertificateSigningRequest(first.metadata?.name ?? '')
    await agent.waitForLine(PENDING, { from, timeoutMs: DEADLINE_MS })
    const second = await node.request()
    assert.equal(second.metadata?.name, first.metadata?.name)
    assert.equal(second.spec.request, first.spec.request)
    assert.notEqual(second.metadata?.uid, first.metadata?.uid)
    await approve(node)
    await node.joined(agent)
  })

  it('goes on waiting where the API server is killed during the watch, and started again', async () => {
    const node = await suite.node()
    const agent = node.start()
    await waitsForApproval(node, agent)
    await suite.controlPlane.stopApiServer()
    try {
      await node.statusWhere(agent, 'away', ({ problem }) => problem !== undefined)
    } finally {
      await suite.controlPlane.startApiServer()
    }
    await waitsForApproval(node, agent)
    await approve(node)
    await node.joined(agent)
    await node.request()
    assert.ok(!agent.lines.some((line) => line.includes('"code":"expired"')), agent.lines.join('\n'))
  })

  it('killed after the submission, finds its request again', async () => {
    const node = await suite.node()
    const first = node.start()
    await first.waitForLine(PENDING, { timeoutMs: DEADLINE_MS })
    await kill(first)
    const agent = node.start()
    await agent.waitForLine(PENDING, { timeoutMs: DEADLINE_MS })
    await approve(node)
    await node.joined(agent)
    await node.request()
  })

  it('approved while it was dead, joins when it is started again', async () => {
    const node = await suite.node()
    const first = node.start()
    await first.waitForLine(PENDING, { timeoutMs: DEADLINE_MS })
    await kill(first)
    await approve(node)
    await node.joined(node.start())
    await node.request()
  })

  it('denied while it was dead, and join.yaml edited, asks for what is wanted now at once', async () => {
    const node = await suite.node()
    const first = node.start()
    await first.waitForLine(PENDING, { timeoutMs: DEADLINE_MS })
    await kill(first)
    await suite.controlPlane.deny((await node.request()).metadata?.name ?? '', 'NotOurs', 'no')
    await node.configure({ certificate: { keyAlgorithm: 'ECDSA-P384' } })
    const agent = node.start()
    await agent.waitForLine(PENDING, { timeoutMs: DEADLINE_MS })
    const [, second, ...more] = await node.requests()
    assert.deepEqual(more, [])
    await suite.controlPlane.approve(second?.metadata?.name ?? '')
    await node.joined(agent)
    assert.match(await openssl(['x509', '-noout', '-text'], (await node.current()).pem), /ASN1 OID: secp384r1/)
    assert.doesNotMatch(agent.lines.join('\n'), DENIED)
  })

  it('deleted while it was dead, and the API server restarted, submits the same request again', async () => {
    const node = await suite.node()
    const first = node.start()
    await first.waitForLine(PENDING, { timeoutMs: DEADLINE_MS })
    await kill(first)
    const { metadata, spec } = await node.request()
    await suite.controlPlane.deleteCertificateSigningRequest(metadata?.name ?? '')
    await suite.controlPlane.restart()
    const agent = node.start()
    await agent.waitForLine(PENDING, { timeoutMs: DEADLINE_MS })
    const again = await node.request()
    assert.deepEqual([again.metadata?.name, again.spec.request], [metadata?.name, spec.request])
    await approve(node)
    await node.joined(agent)
  })

  it('ends on SIGTERM while it waits, and with run --once when its time is over or it is denied', async () => {
    const node = await suite.node()
    const agent = node.start()
    await agent.waitForLine(PENDING, { timeoutMs: DEADLINE_MS })
    await terminate(agent)
    assert.equal((await node.runOnce('--timeout', '1s')).code, 75)
    await suite.controlPlane.deny((await node.request()).metadata?.name ?? '', 'NotOurs', 'no')
    assert.equal((await node.runOnce()).code, 77)
    assert.equal((await node.runOnce()).code, 77)
    await node.request()
  })
}

async function tokenOf(node: JoiningNode): Promise<string> {
  const document = JSON.parse(await readFile(node.configPath, 'utf8')) as { discovery: { token: { token: string } } }
  return document.discovery.token.token
}

/** As an administrator computes it: `openssl pkey -pubin -outform der | sha256sum`. */
async function fingerprintOf(directory: string, publicKeyPem: string): Promise<string> {
  const path = join(directory, 'key.der')
  await openssl(['pkey', '-pubin', '-outform', 'der', '-out', path], publicKeyPem)
  const [digest = ''] = (await openssl(['dgst', '-sha256', '-r', path])).split(' ')
  return `SHA256:${digest}`
}

function withoutAnonymousAccess(suite: Suite): void {
  it('says that anonymous access is off, and what can be done about it', async () => {
    const node = await suite.node({ overrides: { discovery: { timeout: '1s' } } })
    const agent = node.start()
    const { problem } = await node.statusWhere(agent, 'a problem', (status) => status.problem !== undefined)
    assert.equal(problem?.code, 'anonymous-access-off')
    assert.match(problem.hint, /--anonymous-auth=false/)
    await terminate(agent)
    assert.equal((await node.runOnce()).code, 77)
    assert.deepEqual(await node.requests(), [])
  })

  it('lets a node read the CA bundle by a RoleBinding, and names it where it is missing', async () => {
    const { controlPlane } = suite
    // The rules of the embedded one cannot be changed: it shows that one is missing.
    const hasRoles = controlPlane.kind === 'real'
    const pair = await controlPlane.issueClientCertificate('system:node:worker-1', ['system:nodes'])
    const identity = { certificateChain: pair.certificate, privateKey: createPrivateKey(pair.key) }
    const cluster = {
      server: new URL(`https://${controlPlane.endpoint}`),
      authorities: parseCertificates(controlPlane.caPem),
    }
    const http = new GotHttp({})
    const client = new ApiClient(http, systemClock, USER_AGENT)
    const read = (): ReturnType<typeof publishedAuthorities> =>
      publishedAuthorities(client, cluster, { kind: 'certificate', identity }, AbortSignal.timeout(DEADLINE_MS))
    try {
      const error = await bootstrapErrorOf(read())
      assert.equal(error.code, 'cluster-info-forbidden')
      const [, name = '', role = '', group = ''] =
        /kubectl --namespace=kube-public create rolebinding (\S+) --role=(\S+) --group=(\S+)$/.exec(error.message) ?? []
      assert.equal(group, 'system:nodes')
      if (!hasRoles) return
      const created = await controlPlane.admin('POST', ROLE_BINDINGS, roleBinding(name, role, group))
      assert.equal(created.status, 201)
      const authorities = await eventually('the RoleBinding is in force', { deadlineMs: DEADLINE_MS }, read)
      assert.deepEqual(authorities.map(certificateToPem), cluster.authorities.map(certificateToPem))
    } finally {
      http.close()
    }
  })
}

const ROLE_BINDINGS = '/apis/rbac.authorization.k8s.io/v1/namespaces/kube-public/rolebindings'

/** What `kubectl create rolebinding NAME --role=ROLE --group=GROUP` sends. */
const roleBinding = (name: string, role: string, group: string): unknown => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: { name },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: role },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: group }],
})
