import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, chmod, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeFiles } from '../../../src/adapters/files.ts'
import { acquireInstanceLock, instanceLockHolder } from '../../../src/adapters/instance-lock.ts'
import { processStartTime } from '../../../src/adapters/process-identity.ts'
import { EXIT } from '../../../src/lib/error-codes.ts'
import { parseJson, textAt } from '../../../src/lib/json.ts'
import { spawnAgent, type AgentProcess } from '../../harness/agent-process.ts'
import { useTemporaryDirectory } from '../../harness/temporary-directory.ts'
import { bootstrapErrorOf } from '../../harness/thrown.ts'
import { createScene, DEADLINE_MS, waitForJoin, waitForProblem } from '../bad-input/scene.ts'
import { overrideProblem, withoutOverride } from '../bad-input/storage.ts'

const bootId = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim()

describe('acquireInstanceLock', function () {
  this.timeout(2 * DEADLINE_MS)
  const directory = useTemporaryDirectory()
  const state = (): string => directory.join('state')
  const path = (): string => directory.join('state/agent.lock')

  const start = (): AgentProcess =>
    spawnAgent({ entry: [process.execPath, join(import.meta.dirname, 'lock-holder.ts')], args: [state()] })
  const answer = (agent: AgentProcess): Promise<string> => agent.waitForLine(/./, { timeoutMs: DEADLINE_MS })

  async function leaveBehind(lock: { pid: number; startTime: string | undefined; boot: string }): Promise<void> {
    await mkdir(state(), { recursive: true })
    await writeFile(path(), JSON.stringify(lock))
  }
  async function holds(): Promise<void> {
    const lock = await acquireInstanceLock(nodeFiles, state())
    const content = parseJson(await readFile(path()))
    assert.equal(textAt(content, 'startTime'), processStartTime(process.pid))
    assert.deepEqual(await readdir(state()), ['agent.lock'])
    await lock.release()
    assert.deepEqual(await readdir(state()), [])
  }

  it('makes the directory, names this process, and leaves nothing when it is released', async () => {
    await holds()
  })

  it('is for one of several that begin at once, and leaves nothing else in the directory', async () => {
    const agents = Array.from({ length: 4 }, start)
    try {
      const answers = await Promise.all(agents.map(answer))
      assert.deepEqual(answers.toSorted(), [...Array.from({ length: 3 }, () => 'already-running'), 'holds it'])
      assert.deepEqual(await readdir(state()), ['agent.lock'])
    } finally {
      await Promise.all(agents.map((agent) => agent[Symbol.asyncDispose]()))
    }
  })

  it('names who holds it, and leaves that one its lock', async () => {
    await using agent = start()
    assert.equal(await answer(agent), 'holds it')
    const before = await readFile(path(), 'utf8')
    const error = await bootstrapErrorOf(acquireInstanceLock(nodeFiles, state()))
    assert.equal(error.code, 'already-running')
    assert.ok(error.message.includes(`pid ${agent.pid}`), error.message)
    assert.equal(await readFile(path(), 'utf8'), before)
    assert.deepEqual(await readdir(state()), ['agent.lock'])
  })

  it('is taken over from one that was killed', async () => {
    const agent = start()
    assert.equal(await answer(agent), 'holds it')
    agent.kill('SIGKILL')
    await agent.exited
    await holds()
  })

  it('removes what a process left that was killed on its way to it, and nothing of one that lives', async () => {
    await mkdir(state(), { recursive: true })
    // Beyond the highest pid that Linux gives.
    for (const name of ['agent.lock.4194305', 'agent.lock.stale.4194305', `agent.lock.${process.ppid}`])
      await writeFile(directory.join('state', name), '')
    const lock = await acquireInstanceLock(nodeFiles, state())
    assert.deepEqual(await readdir(state()), ['agent.lock', `agent.lock.${process.ppid}`])
    await lock.release()
  })

  it('is taken over where its pid is another process by now', async () => {
    await leaveBehind({ pid: process.ppid, startTime: '1', boot: await bootId() })
    await holds()
  })

  it('is taken over from another boot, whatever runs under that pid', async () => {
    const startTime = processStartTime(process.ppid)
    await leaveBehind({ pid: process.ppid, startTime, boot: await bootId() })
    assert.equal((await bootstrapErrorOf(acquireInstanceLock(nodeFiles, state()))).code, 'already-running')
    await leaveBehind({ pid: process.ppid, startTime, boot: '00000000-0000-0000-0000-000000000000' })
    await holds()
  })

  for (const [what, content] of [
    ['nothing', ''],
    ['half a line', '{"pid": 1'],
    ['something else', '[1]'],
  ] as const)
    it(`is taken over where it says ${what}`, async () => {
      await mkdir(state())
      await writeFile(path(), content)
      await holds()
    })

  for (const [what, put] of [
    ['a FIFO', (at: string) => void spawnSync('mkfifo', [at])],
    ['a directory', (at: string) => mkdir(at)],
    ['a link to itself', (at: string) => symlink(at, at)],
    ['ten gigabytes of nothing', (at: string) => writeFile(at, '').then(() => truncate(at, 10 * 1024 ** 3))],
  ] as const)
    it(`is not taken, names nobody, and keeps nobody waiting where ${what} stands in its place`, async () => {
      await mkdir(state())
      await put(path())
      assert.equal((await bootstrapErrorOf(acquireInstanceLock(nodeFiles, state()))).code, 'storage-malformed')
      assert.equal(instanceLockHolder(state()), undefined)
      await rm(path(), { recursive: true })
      await holds()
    })

  it('that is another’s by now is not released', async () => {
    const lock = await acquireInstanceLock(nodeFiles, state())
    await writeFile(path(), '{"pid": 1}')
    await lock.release()
    assert.equal(await readFile(path(), 'utf8'), '{"pid": 1}')
  })
})

const title = overrideProblem === undefined ? '' : ` (skipped: ${overrideProblem})`
const describeHere = overrideProblem === undefined ? describe : describe.skip

describeHere(`a state directory that cannot be locked${title}`, () => {
  it('is a warning, and the agent joins and refuses a second one once it is mended', async () => {
    await using scene = await createScene()
    const { state } = scene.files
    await mkdir(state, { recursive: true })
    await chmod(state, 0o555)
    const agent = scene.daemon(withoutOverride())
    await agent.waitForLine(/"level":"warn","message":"the state directory cannot be locked/, {
      timeoutMs: DEADLINE_MS,
    })
    await waitForProblem(agent, 'storage-denied')
    await chmod(state, 0o700)
    agent.kill('SIGHUP')
    await waitForJoin(agent)
    await agent.waitForLine(/the state directory is locked/, { timeoutMs: DEADLINE_MS })
    const { exit, text } = await scene.once(withoutOverride())
    assert.equal(exit.code, EXIT.temporary, text)
  }).timeout(2 * DEADLINE_MS)
})
