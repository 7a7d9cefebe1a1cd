import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { nodeFiles } from '../../../src/adapters/files.ts'
import { acquireInstanceLock } from '../../../src/adapters/instance-lock.ts'
import { processStartTime } from '../../../src/adapters/process-identity.ts'
import type { Files } from '../../../src/lib/ports.ts'
import { useTemporaryDirectory } from '../../harness/temporary-directory.ts'

describe('acquireInstanceLock', () => {
  const directory = useTemporaryDirectory()

  const stale = JSON.stringify({ pid: 2 ** 22, startTime: '1' })
  const living = async (): Promise<string> =>
    JSON.stringify({ pid: process.ppid, startTime: await processStartTime(process.ppid) })

  /** Another agent takes the lock in the moment after this one has looked at it. */
  const whereAnotherIsFaster = (content: string): Files => {
    let looked = false
    return {
      ...nodeFiles,
      read: async (path, maxBytes) => {
        const seen = await nodeFiles.read(path, maxBytes)
        if (!looked) await writeFile(path, content)
        looked = true
        return seen
      },
    }
  }

  it('takes over what a killed agent left behind, and leaves nothing when it is released', async () => {
    await writeFile(directory.join('agent.lock'), stale)
    const lock = await acquireInstanceLock(nodeFiles, directory.path)
    assert.deepEqual(JSON.parse(await readFile(directory.join('agent.lock'), 'utf8')), {
      pid: process.pid,
      startTime: await processStartTime(process.pid),
    })
    assert.deepEqual(await readdir(directory.path), ['agent.lock'])
    await lock.release()
    assert.deepEqual(await readdir(directory.path), [])
  })

  it('takes over a lock that names no start time, for a pid that nobody has', async () => {
    await writeFile(directory.join('agent.lock'), JSON.stringify({ pid: 2 ** 22 }))
    const lock = await acquireInstanceLock(nodeFiles, directory.path)
    await lock.release()
  })

  for (const [what, before] of [
    ['a free lock', undefined],
    ['a stale lock', stale],
    ['a lock that is no JSON', ''],
  ] as const)
    it(`leaves ${what} to another agent that was faster`, async () => {
      const content = await living()
      if (before !== undefined) await writeFile(directory.join('agent.lock'), before)
      await assert.rejects(acquireInstanceLock(whereAnotherIsFaster(content), directory.path), {
        code: 'already-running',
      })
      assert.equal(await readFile(directory.join('agent.lock'), 'utf8'), content)
      assert.deepEqual(await readdir(directory.path), ['agent.lock'])
    })
})
