import assert from 'node:assert/strict'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EXIT } from '../../../src/lib/error-codes.ts'
import { createScene, DEADLINE_MS, itConcurrently, waitForJoin } from './scene.ts'
import { withoutOverride } from './storage.ts'

describe('a join.yaml', () => {
  const rows = [
    {
      name: 'that is missing',
      spoil: (path: string) => rm(path),
      code: 'config-unreadable',
      message: /join\.yaml is not there/,
    },
    {
      name: 'that may not be read',
      spoil: (path: string) => chmod(path, 0o000),
      code: 'config-unreadable',
      // A secret may stand in it: nobody is told to make it readable.
      message: /join\.yaml cannot be read \(EACCES\)\n.*only the agent's user must be able to read it/,
    },
    {
      name: 'that is a directory',
      spoil: async (path: string) => {
        await rm(path)
        await mkdir(path)
      },
      code: 'config-unreadable',
      message: /join\.yaml is no regular file/,
    },
    {
      name: 'that is empty',
      spoil: (path: string) => writeFile(path, ''),
      code: 'config-invalid',
      message: /join\.yaml/,
    },
    {
      name: 'of nothing but NUL bytes',
      spoil: (path: string) => writeFile(path, Buffer.alloc(4096)),
      code: 'config-invalid',
      message: /join\.yaml/,
    },
  ] as const
  itConcurrently(rows, async ({ spoil, code, message }) => {
    await using scene = await createScene({ veteran: true })
    const before = await scene.snapshot()
    await spoil(scene.path)
    for (const once of [true, false]) {
      const agent = scene.daemon({ once, ...withoutOverride() })
      assert.equal((await agent.exited).code, EXIT.config)
      const text = agent.lines.join('\n')
      assert.match(text, message)
      assert.match(text, new RegExp(`\\(${code}\\) \\S.{10}`))
      assert.doesNotMatch(text, /\.ts:\d|Error:/)
    }
    assert.deepEqual(await scene.snapshot(), before)
    assert.equal(scene.cluster.connections, 0)
  })

  it('that breaks under a running daemon is told once, and the last good one goes on', async () => {
    await using scene = await createScene({ clusterOptions: { approval: 'manual' } })
    const { cluster } = scene
    const agent = scene.daemon()
    await agent.waitForLine(/the request waits for approval/, { timeoutMs: DEADLINE_MS })
    await writeFile(scene.path, 'kind: [')
    await agent.waitForLine(
      /the changed configuration is not used, the last good one is: .*"code":"config-invalid","hint":"\w/,
      {
        timeoutMs: DEADLINE_MS,
      },
    )
    for (const { metadata } of cluster.listCertificateSigningRequests()) cluster.approve(metadata.name)
    await waitForJoin(agent)
    assert.equal(cluster.listCertificateSigningRequests().length, 1)
  })
})

describe('a second instance', () => {
  it('is refused while the first one lives, and takes over from one that was killed', async () => {
    await using scene = await createScene({ clusterOptions: { approval: 'manual' } })
    const { cluster, files } = scene
    const first = scene.daemon()
    await first.waitForLine(/the request waits for approval/, { timeoutMs: DEADLINE_MS })
    const before = await scene.snapshot()
    const lock = await readFile(join(files.state, 'agent.lock'), 'utf8')
    for (const once of [true, false]) {
      const second = scene.daemon({ once })
      assert.equal((await second.exited).code, EXIT.temporary)
      assert.match(
        second.lines.join('\n'),
        new RegExp(`runs already \\(pid ${first.pid}[^]*\\(already-running\\) \\S.{10}`),
      )
    }
    assert.equal(await readFile(join(files.state, 'agent.lock'), 'utf8'), lock)
    assert.deepEqual(await scene.snapshot(), before)

    first.kill('SIGKILL')
    await first.exited
    const third = scene.daemon()
    await third.waitForLine(/the request waits for approval/, { timeoutMs: DEADLINE_MS })
    const [request, ...more] = cluster.listCertificateSigningRequests()
    assert.ok(request !== undefined && more.length === 0, 'another request was made')
    cluster.approve(request.metadata.name)
    await waitForJoin(third)
  })

  it('does not come to life beside another one that starts at the same moment', async () => {
    await using scene = await createScene({ clusterOptions: { approval: 'manual' } })
    const { cluster, files } = scene
    // What a killed one left behind, of a process that cannot be.
    await mkdir(files.state, { recursive: true })
    await writeFile(join(files.state, 'agent.lock'), JSON.stringify({ pid: 2 ** 22, startTime: '1' }))
    const agents = Array.from({ length: 4 }, () => scene.daemon())
    const alive = await Promise.all(
      agents.map((agent) =>
        Promise.race([
          agent.waitForLine(/the request waits for approval/, { timeoutMs: DEADLINE_MS }).then(
            () => true,
            () => false,
          ),
          agent.exited.then(() => false),
        ]),
      ),
    )
    assert.equal(alive.filter(Boolean).length, 1, agents.map(({ lines }) => lines.join('\n')).join('\n\n'))
    for (const [index, agent] of agents.entries())
      if (alive[index] !== true) {
        assert.equal((await agent.exited).code, EXIT.temporary)
        assert.match(agent.lines.join('\n'), /\(already-running\) \S/)
      }
    assert.equal(cluster.listCertificateSigningRequests().length, 1)
  })
})
