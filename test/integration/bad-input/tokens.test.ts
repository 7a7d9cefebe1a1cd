import assert from 'node:assert/strict'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { EXIT } from '../../../src/lib/error-codes.ts'
import {
  assertEndedWith,
  DEADLINE_MS,
  createScene,
  itConcurrently,
  waitForJoin,
  waitForProblem,
  type Scene,
} from './scene.ts'

const isClusterInfo = ({ path }: { path: string }): boolean => path.endsWith('/configmaps/cluster-info')

/** Of the same form as a token's secret, and never one of the cluster's. */
const OTHER_SECRET = '0123456789abcdef'

describe('a bad bootstrap token', () => {
  const rows = [
    {
      name: 'too short, in join.yaml',
      token: 'abcdef.0123',
      code: 'config-invalid',
      message: /token/,
    },
    {
      name: 'with upper-case letters, in join.yaml',
      token: 'ABCDEF.0123456789abcdef',
      code: 'config-invalid',
      message: /upper-case/,
    },
  ] as const
  itConcurrently(rows, async ({ token, message }) => {
    await using scene = await createScene({ token, veteran: true })
    const before = await scene.snapshot()
    const { exit, text } = await scene.once()
    assert.equal(exit.code, EXIT.config)
    assert.match(text, message)
    assert.match(text, /\(config-invalid\) \S/)
    assert.ok(!text.includes(token), 'the token is printed')
    assert.deepEqual(await scene.snapshot(), before)
    assert.equal(scene.cluster.connections, 0)
  })

  it('malformed in its file is named with its file, and is not printed', async () => {
    await using scene = await createScene({ veteran: true })
    const tokenFile = join(scene.directory, 'token')
    await scene.configure({ discovery: { token: { token: undefined, tokenFile }, timeout: '1s' } })
    await writeFile(tokenFile, 'abcdef0123456789abcdef\n')
    const before = await scene.snapshot()
    const outcome = await scene.once()
    assertEndedWith(outcome, 'token-malformed', EXIT.config)
    assert.equal(outcome.problems.length, 1)
    assert.ok(outcome.text.includes(tokenFile))
    assert.ok(!outcome.text.includes('abcdef0123456789abcdef'), 'the token is printed')
    assert.deepEqual(await scene.snapshot(), before)
    assert.equal(scene.cluster.connections, 0)
  })

  /** Where a good one may be put in the place of a file that holds none. */
  const supplies: { name: string; supply: (scene: Scene, tokenFile: string) => Promise<void> }[] = [
    {
      name: 'malformed in its file heals when the file is corrected',
      supply: ({ token }, tokenFile) => writeFile(tokenFile, `${token}\n`),
    },
    {
      name: 'malformed in its file heals when the directory of the file is replaced in one step',
      supply: async ({ token }, tokenFile) => {
        const directory = dirname(tokenFile)
        await mkdir(`${directory}.next`)
        await writeFile(join(`${directory}.next`, basename(tokenFile)), `${token}\n`, { mode: 0o600 })
        await rename(directory, `${directory}.before`)
        await rename(`${directory}.next`, directory)
      },
    },
    {
      name: 'malformed in its file heals when join.yaml has one itself',
      supply: (scene) => scene.configure(),
    },
  ]
  itConcurrently(supplies, async ({ supply }) => {
    await using scene = await createScene({ veteran: true })
    const tokenFile = join(scene.directory, 'credentials/token')
    await mkdir(dirname(tokenFile))
    await writeFile(tokenFile, 'abcdef0123456789abcdef\n', { mode: 0o600 })
    await scene.configure({ discovery: { token: { token: undefined, tokenFile } } })
    const agent = scene.daemon()
    const { retryInSeconds = 0 } = await waitForProblem(agent, 'token-malformed')
    // Longer than this test waits for anything: what wakes it up is the watch of the file.
    assert.ok(retryInSeconds * 1000 > 2 * DEADLINE_MS, `it tries again by itself in ${retryInSeconds} s`)
    await supply(scene, tokenFile)
    await waitForJoin(agent)
  })

  const unproven = [
    {
      name: 'unknown to the cluster is looked for until the attempt is over',
      code: 'token-unknown',
      exit: EXIT.refused,
      tokenOf: () => `zzzzzz.${OTHER_SECRET}`,
    },
    {
      name: 'expired is no longer known',
      code: 'token-unknown',
      exit: EXIT.refused,
      tokenOf: (create: (options: object) => string) => create({ expiresAtMs: Date.now() - 1000 }),
    },
    {
      name: 'with a wrong secret fails the signature until the attempt is over',
      code: 'signature-mismatch',
      exit: EXIT.protocol,
      tokenOf: (create: (options: object) => string) => `${create({}).slice(0, 6)}.${OTHER_SECRET}`,
    },
  ] as const
  itConcurrently(unproven, async ({ code, exit, tokenOf }) => {
    await using scene = await createScene({ veteran: true })
    const { cluster } = scene
    const token = tokenOf((options) => cluster.createToken(options))
    await scene.configure({ discovery: { token: { token }, timeout: '10s' } })
    const before = await scene.snapshot()
    const outcome = await scene.once()
    assertEndedWith(outcome, code, exit)
    const asked = cluster.requests.filter(isClusterInfo)
    assert.equal(asked.length, cluster.requests.length, 'something else than cluster-info was asked for')
    assert.ok(asked.length >= 2, 'it was not asked again, though a signature may lag')
    assert.ok(!cluster.requests.some((request) => request.hasAuthorization), 'a credential was sent')
    const last = outcome.problems.at(-1)
    assert.equal(last?.level, 'error')
    assert.ok(
      outcome.problems.slice(0, -1).every(({ level, retryInSeconds = 0 }) => level === 'warn' && retryInSeconds <= 5),
    )
    assert.ok(!outcome.text.includes(token.slice(7)), 'the secret is printed')
    assert.deepEqual(await scene.snapshot(), before)
  })

  it('whose signature lags joins by itself once the cluster has signed', async () => {
    await using scene = await createScene({ overrides: { discovery: { timeout: '30s' } }, veteran: true })
    const { cluster, token } = scene
    const [id = '', secret = ''] = token.split('.')
    cluster.deleteToken(id)
    const agent = scene.daemon()
    await waitForProblem(agent, 'token-unknown')
    cluster.createToken({ id, secret })
    await waitForJoin(agent)
  })
})
