/** Attackers who are believed for a while: who answer honestly and then not, replay what was true, or hold a stolen certificate. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createCertificateAuthority } from '../../src/dev-cluster/certificate-authority.ts'
import { clusterInfoKubeconfig } from '../../src/dev-cluster/cluster-info.ts'
import { EXIT, type ErrorCode } from '../../src/lib/error-codes.ts'
import { textAt } from '../../src/lib/json.ts'
import {
  assertNothingSecret,
  Attacker,
  CLUSTER_INFO,
  isClusterInfo,
  jsonAnswer,
  jsonIn,
  signedClusterInfo,
} from '../harness/attacker.ts'
import { startEmbeddedControlPlane, type EmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import type { IssuedPair } from '../harness/control-plane.ts'
import { DEADLINE_MS } from '../harness/joining-node.ts'
import type { Answer, Replacement, SeenRequest } from '../harness/tls-proxy.ts'
import { assertEndedWith, ended, itConcurrently } from '../integration/bad-input/scene.ts'
import {
  assertNothingGained,
  assertNothingTrusted,
  assertRefused,
  createStage,
  secretsOf,
  type Stage,
} from './suite.ts'

/** cluster-info now leads to them, as it would where they stand in front of the cluster. */
const advertise = (controlPlane: EmbeddedControlPlane, endpoint: string): Promise<void> =>
  controlPlane.updateClusterInfo((data) => ({
    ...data,
    kubeconfig: clusterInfoKubeconfig(`https://${endpoint}`, controlPlane.caPem),
  }))

interface EmbeddedStage extends Stage {
  readonly controlPlane: EmbeddedControlPlane
}

/** What a kubelet serves with, by a signature of the cluster's CA. */
function ofNode({ cluster }: EmbeddedControlPlane): IssuedPair {
  const { certificatePem, privateKeyPem } = cluster.ca.issue({
    commonName: 'system:node:worker-2',
    organizations: ['system:nodes'],
    extendedKeyUsages: ['serverAuth'],
    ipAddresses: ['127.0.0.1'],
  })
  return { certificate: certificatePem, key: privateKeyPem }
}

/** `stolen`: their certificate is the cluster's own, for this subjectAltName or a node's. */
async function inFront(
  stolen?: string | typeof ofNode,
  tls?: Parameters<typeof Attacker.start>[0]['tls'],
): Promise<EmbeddedStage> {
  const controlPlane = await startEmbeddedControlPlane({ approval: 'manual' })
  const serving =
    typeof stolen === 'string' ? await controlPlane.issueServingCertificate(stolen) : stolen?.(controlPlane)
  const stage = await createStage(controlPlane, {
    ...(serving === undefined ? {} : { serving }),
    ...(tls === undefined ? {} : { tls }),
  })
  await advertise(controlPlane, stage.attacker.endpoint)
  return {
    ...stage,
    controlPlane,
    [Symbol.asyncDispose]: async () => {
      await stage[Symbol.asyncDispose]()
      await controlPlane.stop()
    },
  }
}

const edited = (text: string): string => `${text}# edited\n`
const kubeconfigIn = (answer: Answer): string => textAt(jsonIn(answer), 'data', 'kubeconfig') ?? ''

describe('a man in the middle who answers one way and then another', () => {
  const rows: readonly {
    name: string
    stolen?: string | typeof ofNode
    lies: (look: number) => boolean
    code: ErrorCode
  }[] = [
    {
      name: 'passes the first look on, and the second over a certificate of their own',
      lies: () => false,
      code: 'server-untrusted',
    },
    {
      name: 'passes the first look on, and answers the second themselves, over a stolen certificate',
      stolen: 'IP:127.0.0.1',
      lies: (look) => look % 2 === 0,
      code: 'cluster-info-differs',
    },
    {
      name: 'answers the first look themselves, and passes the second on',
      stolen: 'IP:127.0.0.1',
      lies: (look) => look % 2 === 1,
      code: 'cluster-info-differs',
    },
    {
      name: 'answers both themselves and alike, over the stolen certificate of another node',
      stolen: ofNode,
      lies: () => true,
      code: 'server-is-a-node',
    },
  ]
  itConcurrently(rows, async ({ stolen, lies, code }) => {
    await using stage = await inFront(stolen)
    const { proxy } = stage.attacker
    let looks = 0
    proxy.rewrite = (request, answer) => {
      if (!isClusterInfo(request)) return answer
      looks += 1
      return lies(looks) ? signedClusterInfo(edited(kubeconfigIn(answer)), stage.token) : answer
    }
    await assertRefused(stage, code)
    assert.ok(looks > 0)
  })
})

describe('a replay of a cluster-info that was true yesterday', () => {
  it('is refused where the cluster has changed since', async () => {
    await using stage = await inFront()
    const { attacker, controlPlane, node } = stage
    await advertise(controlPlane, controlPlane.endpoint)
    await ended(node.start('--once', '--timeout', '1s'))
    const yesterday = attacker.proxy.answers.get(CLUSTER_INFO)
    assert.ok(yesterday !== undefined)

    await using today = await createStage(controlPlane)
    await controlPlane.updateClusterInfo((data) => ({ ...data, kubeconfig: edited(data['kubeconfig'] ?? '') }))
    await today.node.configure(
      { discovery: { token: { endpoints: [today.attacker.endpoint] }, timeout: '1s' } },
      stage.token,
    )
    today.attacker.proxy.replace = () => yesterday
    const outcome = await ended(today.node.start('--once'))
    assertEndedWith(outcome, 'cluster-info-differs', EXIT.protocol)
    await assertNothingTrusted(today)
    assertNothingGained({ ...today, token: stage.token }, outcome.text)
  })

  it('with a signature of a token that has been deleted leads to the true cluster, which refuses the token', async () => {
    await using stage = await inFront()
    const { attacker, controlPlane, node, token } = stage
    await advertise(controlPlane, controlPlane.endpoint)
    const rejected = signedClusterInfo(
      clusterInfoKubeconfig(`https://${controlPlane.endpoint}`, controlPlane.caPem),
      token,
    )
    await controlPlane.deleteToken(token.slice(0, 6))
    attacker.proxy.replace = () => rejected
    const outcome = await ended(node.start('--once'))
    assertEndedWith(outcome, 'token-expired', EXIT.refused)
    assertNothingGained(stage, outcome.text)
    assert.ok(!existsSync(node.files.kubeconfig))
  })
})

describe('a man in the middle who plays with TLS', () => {
  it('offers nothing better than TLS 1.1', async () => {
    await using stage = await inFront(undefined, {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    await assertRefused(stage, 'tls-failed')
    assert.equal(stage.attacker.proxy.connections, 0)
  })

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
    it(`offers to resume a ${maxVersion} session, so that a certificate of the CA for another name would not be looked at`, async () => {
      await using stage = await inFront('DNS:somebody-else', { maxVersion })
      await assertRefused(stage, 'server-name-mismatch')
      const { connections, resumptions } = stage.attacker.proxy
      assert.ok(connections >= 1)
      assert.equal(resumptions, 0, 'a session was resumed')
    })
})

describe('a cluster-info that a holder of the token signs', () => {
  const server = (fields: string) => (stage: Stage) => {
    const data = Buffer.from(stage.controlPlane.caPem).toString('base64')
    const cluster = `server: "https://${stage.attacker.endpoint}", certificate-authority-data: ${data}`
    return `kind: Config\nclusters: [{name: "", cluster: {${cluster}${fields}}}]\n`
  }
  const good = server('')
  const withUser = (fields: string) => (stage: Stage) => `${good(stage)}users: [{name: x, user: {${fields}}}]\n`
  const bomb = Array.from({ length: 12 }, (_, index) =>
    index === 0
      ? 'a0: &a0 [x, x]'
      : `a${index}: &a${index} [${Array<string>(9)
          .fill(`*a${index - 1}`)
          .join(', ')}]`,
  ).join('\n')
  const rows: readonly { name: string; text: (stage: Stage) => string }[] = [
    { name: 'skips the verification of TLS', text: server(', insecure-skip-tls-verify: true') },
    { name: 'skips it in words', text: server(', insecure-skip-tls-verify: "true"') },
    { name: 'names a proxy', text: server(', proxy-url: "http://127.0.0.1:1"') },
    { name: 'names another server name', text: server(', tls-server-name: somebody-else') },
    { name: 'names a CA by a path', text: server(', certificate-authority: ../../etc/shadow') },
    { name: 'explodes in aliases', text: (stage) => `${bomb}\n${good(stage)}` },
    { name: 'has a key twice', text: server(', server: "https://127.0.0.1:1"') },
    { name: 'has a key twice at its top', text: (stage) => `${good(stage)}clusters: []\n` },
    { name: 'is two documents', text: (stage) => `${good(stage)}---\n${good(stage)}` },
    { name: 'holds NUL bytes', text: (stage) => good(stage).replace('clusters', '\u0000clusters') },
    { name: 'is nested beyond any stack', text: (stage) => `${good(stage)}x: ${'['.repeat(100_000)}\n` },
    { name: 'is long', text: (stage) => `${good(stage)}${'# x\n'.repeat(100_000)}` },
    { name: 'has no https server', text: (stage) => good(stage).replace('https:', 'http:') },
    { name: 'has a password in its server', text: (stage) => good(stage).replace('https://', 'https://a:b@') },
    { name: 'is a list', text: () => '[]' },
    { name: 'has a user that runs a program', text: withUser('exec: {command: touch, args: [/tmp/ran]}') },
    { name: 'has a user of an auth-provider', text: withUser('auth-provider: {name: gcp}') },
    { name: 'has a user whose token is a file of this machine', text: withUser('tokenFile: ../../etc/shadow') },
    { name: 'has a user whose key is a file of this machine', text: withUser('client-key: ../../etc/shadow') },
  ]
  itConcurrently(
    rows.map((row) => ({ ...row, name: `${row.name} is refused` })),
    async ({ text }) => {
      await using stage = await inFront()
      stage.attacker.proxy.replace = () => signedClusterInfo(text(stage), stage.token)
      await assertRefused(stage, 'cluster-info-malformed')
    },
  )

  const harmless: readonly { name: string; change: (text: string) => string }[] = [
    { name: 'has CRLF at its line ends', change: (text) => text.replaceAll('\n', '\r\n') },
    { name: 'begins with a BOM', change: (text) => `\ufeff${text}` },
  ]
  itConcurrently(
    harmless.map((row) => ({ ...row, name: `${row.name} is read as it is meant` })),
    async ({ change }) => {
      await using stage = await inFront()
      const { controlPlane, node, attacker } = stage
      await advertise(controlPlane, controlPlane.endpoint)
      await controlPlane.updateClusterInfo((data) => ({
        ...data,
        kubeconfig: change(data['kubeconfig'] ?? ''),
      }))
      const agent = node.start()
      await agent.waitForLine(/"message":"the request waits for approval"/, { timeoutMs: DEADLINE_MS })
      await controlPlane.approve((await node.request()).metadata?.name ?? '')
      await agent.waitForLine(/"message":"joined"/, { timeoutMs: DEADLINE_MS })
      assertNothingGained(stage, agent.lines.join('\n'))
      assert.ok(attacker.proxy.requests.length > 0)
    },
  )
})

/** Verified, by a stolen certificate: such a server may see the token, and must still not get its own certificate believed. */
describe('a server that is verified, and lies', () => {
  const issue = (stage: EmbeddedStage, authority = stage.controlPlane.cluster.ca): string =>
    authority.issue({
      commonName: `system:node:${stage.node.name}`,
      organizations: ['system:nodes'],
      extendedKeyUsages: ['clientAuth'],
    }).certificatePem
  const issued = (request: SeenRequest, pem: string): Answer => {
    const object = JSON.parse(request.body.toString()) as { metadata: object }
    return jsonAnswer(
      {
        ...object,
        metadata: { ...object.metadata, uid: 'u', resourceVersion: '1', creationTimestamp: '2026-11-23T20:23:16Z' },
        status: {
          conditions: [{ type: 'Approved', status: 'True' }],
          certificate: Buffer.from(pem).toString('base64'),
        },
      },
      201,
    )
  }
  const rows: readonly {
    name: string
    answer: (stage: EmbeddedStage, request: SeenRequest) => Replacement
    code: ErrorCode
  }[] = [
    {
      name: 'answers the request with a certificate for somebody else’s key',
      answer: (stage, request) => issued(request, issue(stage)),
      code: 'certificate-wrong',
    },
    {
      name: 'answers the request with a certificate of another CA',
      answer: (stage, request) => issued(request, issue(stage, createCertificateAuthority())),
      code: 'certificate-wrong',
    },
    {
      name: 'answers the request with a certificate of 1 MB',
      answer: (_stage, request) => issued(request, 'x'.repeat(700_000)),
      code: 'certificate-malformed',
    },
  ]
  const submits = ({ method }: SeenRequest): boolean => method === 'POST'

  itConcurrently(rows, async ({ answer, code }) => {
    await using stage = await inFront('IP:127.0.0.1')
    const { attacker, node, token } = stage
    attacker.proxy.replace = (request) => (submits(request) ? answer(stage, request) : undefined)
    const outcome = await ended(node.start('--once'))
    assertEndedWith(outcome, code, EXIT.protocol)
    assert.ok(!existsSync(node.files.kubeconfig) && !existsSync(node.currentPath))
    assert.ok(!outcome.text.includes(token.slice(7)))
    assert.equal(attacker.proxy.requests.filter(submits).length, 1)
  })

  it('redirects the request, with its token, to a host that nobody has verified', async () => {
    await using stage = await inFront('IP:127.0.0.1')
    await using elsewhere = await Attacker.start({ upstream: stage.controlPlane })
    const { attacker, node, token } = stage
    attacker.proxy.replace = (request) =>
      submits(request)
        ? { status: 307, headers: { location: `https://${elsewhere.endpoint}${request.path}` }, body: '' }
        : undefined
    const agent = node.start()
    await agent.waitForLine(/"code":"redirect-refused"/, { timeoutMs: DEADLINE_MS })
    assert.equal(elsewhere.proxy.connections, 0)
    assertNothingSecret(elsewhere, secretsOf(token))
  })

  const endless: readonly { name: string; event: object }[] = [
    { name: 'of bookmarks', event: { type: 'BOOKMARK', object: { metadata: { resourceVersion: '1' } } } },
    {
      name: 'of requests of other names',
      event: {
        type: 'MODIFIED',
        object: {
          apiVersion: 'certificates.k8s.io/v1',
          kind: 'CertificateSigningRequest',
          metadata: { name: 'somebody-else', uid: 'x', resourceVersion: '1' },
          spec: { request: 'x'.repeat(10_000) },
        },
      },
    },
  ]
  itConcurrently(
    endless.map((row) => ({ ...row, name: `answers a watch with an endless flood ${row.name}` })),
    async ({ event }) => {
      await using stage = await inFront('IP:127.0.0.1')
      const { attacker, node } = stage
      const lines = `${JSON.stringify(event)}\n`.repeat(1000)
      async function* flood(): AsyncGenerator<string> {
        for (;;) yield await Promise.resolve(lines)
      }
      const isWatch = ({ path }: SeenRequest): boolean => path.includes('watch=true')
      attacker.proxy.replace = (request) =>
        isWatch(request) ? { status: 200, headers: { 'content-type': 'application/json' }, body: flood() } : undefined
      const agent = node.start()
      await agent.waitForLine(/"code":"response-malformed"/, { timeoutMs: DEADLINE_MS })
      assert.equal(attacker.proxy.requests.filter(isWatch).length, 1, 'it watched on at once')
      attacker.proxy.replace = () => undefined
      await stage.controlPlane.approve((await node.request()).metadata?.name ?? '')
      agent.kill('SIGHUP')
      await agent.waitForLine(/"message":"the kubeconfig is written"/, { timeoutMs: DEADLINE_MS })
      // It ends the TLS of both sides, and so cannot pass on that the node has proved to hold its key.
      await agent.waitForLine(/"code":"identity-not-accepted"/, { timeoutMs: DEADLINE_MS })
    },
  )
})
