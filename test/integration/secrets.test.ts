import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import type { AgentProcess } from '../harness/agent-process.ts'
import { startEmbeddedControlPlane, type EmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { DEADLINE_MS, JoiningNode } from '../harness/joining-node.ts'
import { useTemporaryDirectory } from '../harness/temporary-directory.ts'

/** Where a secret may be: paths below the node's directory. */
type Places = readonly RegExp[]

const IN_JOIN_YAML = /^join\.yaml$/
const IN_PENDING = /^var\/lib\/node-bootstrap\/pending-request\.pem$/
const IN_PAIR = /^var\/lib\/kubelet\/pki\/kubelet-client-(\d{4}(-\d\d){5}|current)\.pem$/

/** What a secret looks like in text: as it is, and in each form in which it travels. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  return [secret, bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url'), bytes.toString('hex')]
}

/** The forms of a private key: every full line of its PEM, and its private value. */
function formsOfKey(pem: string): string[] {
  const key = createPrivateKey(pem)
  const { d = '' } = key.export({ format: 'jwk' })
  const bytes = Buffer.from(d, 'base64url')
  const lines = String(key.export({ type: 'pkcs8', format: 'pem' }))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('-----'))
  return [...lines, d, bytes.toString('hex'), bytes.toString('base64')]
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))
}

/** What other users of the machine can see of a process, and what it was started with. */
async function processTexts({ pid }: AgentProcess): Promise<[string, string][]> {
  return Promise.all(
    ['cmdline', 'environ', 'comm', 'status'].map(async (name): Promise<[string, string]> => {
      return [`/proc/PID/${name}`, await readFile(`/proc/${pid}/${name}`, 'latin1')]
    }),
  )
}

/** Everything that can be read: the logs, the process, and every file that is there now. */
async function everything(directory: string, agents: readonly AgentProcess[]): Promise<[string, string][]> {
  const paths = await filesBelow(directory)
  const files = await Promise.all(
    paths.map(async (path): Promise<[string, string]> => [relative(directory, path), await readFile(path, 'latin1')]),
  )
  const logs = agents.map((agent, index): [string, string] => [`log ${index}`, agent.lines.join('\n')])
  const alive = agents.filter((agent) => agent === agents.at(-1))
  return [...files, ...logs, ...(await Promise.all(alive.map(processTexts))).flat()]
}

/** The places where one of the forms is found, beside those where it must be; and a complaint where it is not there. */
function leaks(texts: readonly [string, string][], forms: readonly string[], allowed: Places): string[] {
  return texts
    .filter(([, text]) => forms.some((form) => text.includes(form)))
    .map(([place]) => place)
    .filter((place) => !allowed.some((pattern) => pattern.test(place)))
}

const isFoundIn = (texts: readonly [string, string][], forms: readonly string[], place: RegExp): boolean =>
  texts.some(([name, text]) => place.test(name) && forms.some((form) => text.includes(form)))

describe('secrets: the token and the private key', function () {
  this.timeout(180_000)
  let controlPlane: EmbeddedControlPlane
  const nodes: JoiningNode[] = []

  before(async () => {
    controlPlane = await startEmbeddedControlPlane({ approval: 'manual' })
  })
  after(() => controlPlane.stop())
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()))
  })
  const temporary = useTemporaryDirectory()

  async function newNode(name: string, overrides: Record<string, unknown> = {}): Promise<JoiningNode> {
    const directory = temporary.join(name)
    await mkdir(directory)
    const node = await JoiningNode.create({
      directory,
      controlPlane,
      name,
      token: await controlPlane.createToken(),
      overrides: { log: { level: 'debug', format: 'json' }, ...overrides },
    })
    nodes.push(node)
    return node
  }

  const tokenOf = async (node: JoiningNode): Promise<string> => {
    const text = await readFile(node.configPath, 'utf8')
    return /"token": "(\S+)"/.exec(text)?.[1] ?? ''
  }
  const secretForms = (token: string): string[] => [...formsOf(token), ...formsOf(token.slice(7))]

  it('occur only where they must while a node waits and after it has joined', async () => {
    const node = await newNode('secretive')
    const token = await tokenOf(node)
    assert.match(token, /^[a-z0-9]{6}\.[a-z0-9]{16}$/)
    const agent = node.start()
    await node.statusWhere(agent, 'waiting', ({ step, request }) => step === 'approval' && request !== undefined)

    const waiting = await everything(node.directory, [agent])
    assert.deepEqual(leaks(waiting, secretForms(token), [IN_JOIN_YAML]), [])
    assert.ok(isFoundIn(waiting, secretForms(token), IN_JOIN_YAML), 'the search would find it')
    const pending = await readFile(join(node.files.state, 'pending-request.pem'), 'utf8')
    const key = formsOfKey(/-----BEGIN PRIVATE KEY-----[^]*-----END PRIVATE KEY-----/.exec(pending)?.[0] ?? '')
    assert.deepEqual(leaks(waiting, key, [IN_PENDING]), [])
    assert.ok(isFoundIn(waiting, key, IN_PENDING), 'the search would find it')

    await controlPlane.approve((await node.request()).metadata?.name ?? '')
    await node.joined(agent)
    const joined = await everything(node.directory, [agent])
    assert.deepEqual(leaks(joined, secretForms(token), [IN_JOIN_YAML]), [])
    assert.deepEqual(leaks(joined, key, [IN_PAIR]), [])
    assert.ok(isFoundIn(joined, key, IN_PAIR), 'the search would find it')
    assert.ok(joined.every(([place]) => basename(place) !== 'pending-request.pem'))
  })

  /** Each must make the agent say something: that is what is searched. */
  const failures: [string, (token: string) => Record<string, unknown>, RegExp][] = [
    ['nobody answers', () => ({ endpoints: ['127.0.0.1:1'] }), /"code":"connection-refused"/],
    ['no pin matches', () => ({ caCertHashes: [`sha256:${'0'.repeat(64)}`] }), /"code":"pin-mismatch"/],
    ['the token is unknown', (token) => ({ token: `zzzzzz${token.slice(6)}` }), /"code":"token-unknown"/],
    [
      'the secret is another one',
      (token) => ({ token: token.slice(0, -2) + (token.endsWith('aa') ? 'bb' : 'aa') }),
      /"code":"signature-mismatch"/,
    ],
  ]
  for (const [what, change, said] of failures)
    it(`are not told where ${what}`, async () => {
      const node = await newNode('failing')
      await node.configure({ discovery: { token: change(await tokenOf(node)) } })
      const token = await tokenOf(node)
      const agent = node.start()
      await agent.waitForLine(said, { timeoutMs: DEADLINE_MS })
      await node.statusWhere(agent, 'a problem', ({ problem }) => problem !== undefined)
      const texts = await everything(node.directory, [agent])
      assert.deepEqual(leaks(texts, secretForms(token), [IN_JOIN_YAML]), [])
    })

  /** Each value is a secret that an operator mistyped, so the message about it must not quote it. */
  const mistyped: [string, (token: string) => string][] = [
    ['has upper-case letters', (token) => token.toUpperCase()],
    ['has white space', (token) => `${token.slice(0, 12)} ${token.slice(12)}`],
    ['is too long', (token) => `${token}0`],
    ['has no dot', (token) => token.replace('.', '')],
  ]
  for (const [what, change] of mistyped)
    it(`are not quoted where the token ${what}`, async () => {
      const node = await newNode('mistyped')
      const token = change(await tokenOf(node))
      await node.configure({ discovery: { token: { token } } })
      const { code, agent } = await node.runOnce()
      assert.equal(code, 78)
      const tokenFile = join(node.directory, 'token')
      await writeFile(tokenFile, token)
      await node.configure({ discovery: { token: { token: undefined, tokenFile } } })
      const second = await node.runOnce()
      assert.equal(second.code, 78)
      const output = [...agent.lines, ...second.agent.lines].join('\n')
      for (const form of [token, token.slice(7, 15), token.slice(-8)]) assert.ok(!output.includes(form), output)
    })

  it('are not told by faults in the middle of a join', async () => {
    const node = await newNode('faulty')
    const token = await tokenOf(node)
    const faults = ['destroy', { status: 500, body: 'no' }, { status: 401, body: '{"kind":"Status"}' }] as const
    let next = 0
    controlPlane.cluster.respond = ({ hasAuthorization }) => (hasAuthorization ? faults[next++] : undefined)
    try {
      const agent = node.start()
      await node.statusWhere(
        agent,
        'waiting',
        ({ step, request }) => step === 'approval' && request?.createdAt !== undefined,
      )
      assert.ok(next >= faults.length)
      const texts = await everything(node.directory, [agent])
      assert.deepEqual(leaks(texts, secretForms(token), [IN_JOIN_YAML]), [])
      assert.ok(agent.lines.filter((line) => line.includes('"level":"warn"')).length >= faults.length)
    } finally {
      controlPlane.cluster.respond = undefined
    }
  })
})
