/** Attacks on discovery by token, said once and run against each kind of control plane. */
import assert from 'node:assert/strict'
import { createHmac, X509Certificate } from 'node:crypto'
import { createCertificateAuthority } from '../../src/dev-cluster/certificate-authority.ts'
import { clusterInfoKubeconfig } from '../../src/dev-cluster/cluster-info.ts'
import type { ErrorCode } from '../../src/lib/error-codes.ts'
import { clusterInfoAnswer, isClusterInfo, jsonAnswer, jsonIn, signedClusterInfo } from '../harness/attacker.ts'
import type { ControlPlane } from '../harness/control-plane.ts'
import { DEADLINE_MS } from '../harness/joining-node.ts'
import type { Answer, Replacement } from '../harness/tls-proxy.ts'
import { itConcurrently } from '../integration/bad-input/scene.ts'
import {
  assertNothingGained,
  assertRefused,
  createStage,
  problemCount,
  type Stage,
  type StartControlPlane,
} from './suite.ts'

type Attack = (stage: Stage) => () => Replacement | Promise<Replacement>

interface Row {
  name: string
  attack: Attack
  code: ErrorCode
}

const halves = (token: string): [id: string, secret: string] => [token.slice(0, 6), token.slice(7)]
const base64url = (text: string): string => Buffer.from(text).toString('base64url')
const always = (answer: Replacement) => () => answer

/** A JWS that is right but for what `header` and `shape` make of it: a lenient verifier would take it. */
function oddlySigned(
  header: (id: string) => string,
  shape: (header: string, mac: string, payload: string) => string = (first, mac) => `${first}..${mac}`,
  algorithm = 'sha256',
): Attack {
  return ({ attacker, token }) => {
    const [id, secret] = halves(token)
    const text = attacker.kubeconfig()
    const first = base64url(header(id))
    const mac = createHmac(algorithm, secret)
      .update(`${first}.${base64url(text)}`)
      .digest('base64url')
    return always(clusterInfoAnswer(text, id, shape(first, mac, base64url(text))))
  }
}
const header = (id: string): string => JSON.stringify({ alg: 'HS256', kid: id })

const withoutTheToken: readonly Row[] = [
  {
    name: 'who serves a cluster-info of their own without a signature',
    attack: ({ attacker, token }) => always(clusterInfoAnswer(attacker.kubeconfig(), halves(token)[0], undefined)),
    code: 'token-unknown',
  },
  {
    name: 'who signs with a secret that they guess',
    attack: ({ attacker, token }) =>
      always(signedClusterInfo(attacker.kubeconfig(), `${halves(token)[0]}.0000000000000000`)),
    code: 'signature-mismatch',
  },
  {
    name: 'who puts their own kubeconfig under the signature of the true one',
    attack: ({ attacker }) => {
      attacker.proxy.rewrite = (_request, answer) => {
        const configMap = jsonIn(answer) as { data: Record<string, string> }
        configMap.data['kubeconfig'] = attacker.kubeconfig()
        return jsonAnswer(configMap)
      }
      return always(undefined)
    },
    code: 'signature-mismatch',
  },
]

/** All of them are signed rightly, so that nothing but the form can fail. */
const downgrades: readonly Row[] = [
  [
    'to alg none, without a MAC',
    oddlySigned(
      () => JSON.stringify({ alg: 'none' }),
      (first) => `${first}..`,
    ),
  ],
  ['to alg none, with the MAC', oddlySigned((id) => JSON.stringify({ alg: 'none', kid: id }))],
  [
    'to HS512',
    oddlySigned(
      (id) => JSON.stringify({ alg: 'HS512', kid: id }),
      (first, mac) => `${first}..${mac}`,
      'sha512',
    ),
  ],
  ['to another kid', oddlySigned(() => header('zzzzzz'))],
  ['to a header without a kid', oddlySigned(() => JSON.stringify({ alg: 'HS256' }))],
  ['to a reordered header', oddlySigned((id) => JSON.stringify({ kid: id, alg: 'HS256' }))],
  [
    'to a header with more in it',
    oddlySigned((id) => JSON.stringify({ alg: 'HS256', kid: id, jwk: { kty: 'oct', k: 'AAAA' } })),
  ],
  ['to a header with white space', oddlySigned((id) => `{"alg": "HS256", "kid": "${id}"}`)],
  ['to an attached payload', oddlySigned(header, (first, mac, payload) => `${first}.${payload}.${mac}`)],
  ['to a padded MAC', oddlySigned(header, (first, mac) => `${first}..${mac}=`)],
  [
    'to a MAC with other trailing bits',
    oddlySigned(header, (first, mac) => `${first}..${mac.slice(0, -1)}${otherLast(mac)}`),
  ],
  ['to a MAC with white space', oddlySigned(header, (first, mac) => `${first}..${mac}\n`)],
  ['to more dots', oddlySigned(header, (first, mac) => `${first}..${mac}.`)],
  [
    'to a MAC in hexadecimal',
    oddlySigned(header, (first, mac) => `${first}..${Buffer.from(mac, 'base64url').toString('hex')}`),
  ],
].map(([what, attack]) => ({
  name: `who downgrades ${what as string}`,
  attack: attack as Attack,
  code: 'signature-malformed',
}))

/** 43 characters carry two bits more than a MAC has: a lenient decoder does not look at them. */
function otherLast(mac: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet[alphabet.indexOf(mac.at(-1) ?? '') + 1] ?? ''
}

const withTheToken: readonly Row[] = [
  {
    name: 'who signs a cluster-info with their own CA',
    attack: ({ attacker, token }) => always(signedClusterInfo(attacker.kubeconfig(), token)),
    code: 'pin-mismatch',
  },
  {
    name: 'who names themselves as the server, with their CA beside the pinned one',
    attack: ({ attacker, controlPlane, token }) =>
      always(signedClusterInfo(attacker.kubeconfig(attacker.authority.certificatePem + controlPlane.caPem), token)),
    code: 'server-untrusted',
  },
  {
    name: 'who names the true server, with their CA beside the pinned one',
    attack: ({ attacker, controlPlane, token }) => {
      const bundle = attacker.authority.certificatePem + controlPlane.caPem
      return always(signedClusterInfo(clusterInfoKubeconfig(`https://${controlPlane.endpoint}`, bundle), token))
    },
    code: 'cluster-info-differs',
  },
  {
    name: 'who lets the pinned CA stand for a server that is theirs',
    attack: ({ attacker, controlPlane, token }) =>
      always(signedClusterInfo(attacker.kubeconfig(controlPlane.caPem), token)),
    code: 'server-untrusted',
  },
  {
    name: 'who brings the CA of yesterday back, when only that of today is pinned',
    attack: ({ controlPlane, token }) =>
      always(
        signedClusterInfo(
          clusterInfoKubeconfig(`https://${controlPlane.endpoint}`, createCertificateAuthority().certificatePem),
          token,
        ),
      ),
    code: 'pin-mismatch',
  },
  {
    name: 'who wraps the pinned key into a CA certificate of their own',
    attack: ({ attacker, controlPlane, token }) => {
      // The pin is of the key: the certificate around it is theirs, its signature too; but the key signs nothing for them.
      const { subjectPublicKeyInfo } = parsedAuthority(controlPlane)
      const wrapped = attacker.authority.issue({
        commonName: 'kubernetes',
        isCertificateAuthority: true,
        subjectPublicKeyInfo,
      })
      return always(
        signedClusterInfo(attacker.kubeconfig(wrapped.certificatePem + attacker.authority.certificatePem), token),
      )
    },
    code: 'server-untrusted',
  },
]

function parsedAuthority({ caPem }: ControlPlane): { subjectPublicKeyInfo: Uint8Array } {
  const { publicKey } = new X509Certificate(caPem)
  return { subjectPublicKeyInfo: publicKey.export({ type: 'spki', format: 'der' }) }
}

const MEBIBYTE = 'x'.repeat(1024 * 1024)

/** 100 MB, or more and more for as long as somebody listens. */
async function* flood(pieces: number): AsyncGenerator<string> {
  yield '{"kind":"ConfigMap","data":{"kubeconfig":"'
  for (let left = pieces; left > 0; left -= 1) yield await Promise.resolve(MEBIBYTE)
}
const json = { 'content-type': 'application/json' }

const hostile: readonly Row[] = [
  {
    name: 'who redirects to themselves',
    attack: ({ attacker }) =>
      always({ status: 302, headers: { location: `https://${attacker.endpoint}/elsewhere` }, body: '' }),
    code: 'redirect-refused',
  },
  {
    name: 'who answers with 100 MB',
    attack: () => () => ({ status: 200, headers: json, body: flood(100) }),
    code: 'body-too-large',
  },
  {
    name: 'who answers without end',
    attack: () => () => ({ status: 200, headers: json, body: flood(Number.POSITIVE_INFINITY) }),
    code: 'body-too-large',
  },
  {
    name: 'who refuses with a body without end',
    attack: () => () => ({ status: 403, headers: json, body: flood(Number.POSITIVE_INFINITY) }),
    code: 'body-too-large',
  },
  {
    name: 'who cuts every answer off in the middle',
    attack: () => () => ({ status: 200, headers: json, body: cutOff() }),
    code: 'connection-lost',
  },
  {
    name: 'who answers with the page of a captive portal',
    attack: () => always({ status: 200, headers: { 'content-type': 'text/html' }, body: '<html>log in</html>' }),
    code: 'not-kubernetes',
  },
]

async function* cutOff(): AsyncGenerator<string> {
  yield await Promise.resolve('{"kind":"ConfigMap",')
  throw new Error('cut off')
}

/** `main`: what differs with the control plane behind them. `whole`: also what never reaches it. */
export function tokenAdversaries(start: StartControlPlane, scope: 'main' | 'whole'): void {
  let controlPlane: ControlPlane
  before(async () => {
    controlPlane = await start({})
  })
  after(() => controlPlane.stop())

  const check = async ({ attack, code }: Row): Promise<void> => {
    await using stage = await createStage(controlPlane)
    const answer = attack(stage)
    stage.attacker.proxy.replace = (request) => (isClusterInfo(request) ? answer() : 'cut')
    await assertRefused(stage, code)
    const { bytesSent, requests } = stage.attacker.proxy
    // What is on its way when the agent hangs up is in the buffers of two sockets.
    assert.ok(bytesSent <= requests.length * 16 * MEBIBYTE.length, `${bytesSent} bytes were taken`)
  }

  describe('a man in the middle without the token', () => {
    itConcurrently(withoutTheToken, check)
  })

  describe('a man in the middle with the token', () => {
    itConcurrently(scope === 'main' ? withTheToken : [...withTheToken, ...downgrades], check)
  })

  if (scope === 'whole')
    describe('a man in the middle who wears the agent out', () => {
      itConcurrently(hostile, check)
    })

  describe('a daemon that meets them, and joins when they have gone', () => {
    const met = scope === 'main' ? /guess|true server/ : /guess|pinned one|own CA|redirects|without end/
    const rows = [...withoutTheToken, ...withTheToken, ...hostile].filter(({ name }) => met.test(name))
    itConcurrently(rows, async ({ attack }) => {
      await using stage = await createStage(controlPlane)
      const { attacker, node } = stage
      const answer = attack(stage)
      attacker.proxy.replace = (request) => (isClusterInfo(request) ? answer() : 'cut')
      const agent = node.start()
      await agent.waitForLine(/"code":/, { timeoutMs: DEADLINE_MS })
      assert.ok(attacker.proxy.requests.length <= 2 * problemCount(agent) + 2, 'it asks again and again')
      // They go away; the cluster behind them was always the true one.
      attacker.proxy.replace = () => undefined
      attacker.proxy.rewrite = (_request: unknown, honest: Answer) => honest
      agent.kill('SIGHUP')
      await agent.waitForLine(/"message":"joined"/, { timeoutMs: DEADLINE_MS })
      assertNothingGained(stage, agent.lines.join('\n'))
    })
  })
}
