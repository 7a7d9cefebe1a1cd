/** What is no file, or no small one, in the place of each file that a running agent reads or replaces: it neither hangs nor fills memory. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { lstatSync, readFileSync } from 'node:fs'
import { readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseJson, textAt } from '../../../src/lib/json.ts'
import type { AgentProcess } from '../../harness/agent-process.ts'
import { eventually } from '../../harness/eventually.ts'
import type { JoinFiles } from '../../harness/join-configuration.ts'
import { createScene, DEADLINE_MS, itConcurrently, type Scene, waitForJoin, waitForProblem } from './scene.ts'

const made = (program: string, ...args: string[]): void => {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

const deviceProblem = process.getuid?.() === 0 ? undefined : 'only root makes device nodes'

const kinds: Readonly<Record<string, (path: string) => Promise<void> | void>> = {
  'a FIFO': (path) => {
    made('mkfifo', path)
  },
  ...(deviceProblem === undefined
    ? {
        '/dev/zero': (path: string) => {
          made('mknod', path, 'c', '1', '5')
        },
      }
    : {}),
  'ten gigabytes of nothing': async (path) => {
    await writeFile(path, '')
    await truncate(path, 10 * 1024 ** 3)
  },
  'a link to itself': (path) => symlink(path, path),
}

/** More than it ever has, and far less than what stands in the way. */
const MOST_MEMORY_KIB = 400 * 1024

function assertSmall(agent: AgentProcess): void {
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, 'utf8'))?.[1]
  assert.ok(Number(peak) < MOST_MEMORY_KIB, `${peak} KiB`)
}

const healthy = ({ files }: Scene): Promise<unknown> =>
  eventually('a healthy status', { deadlineMs: DEADLINE_MS }, async () => {
    const path = join(files.runtime, 'status.json')
    if (!lstatSync(path, { throwIfNoEntry: false })?.isFile()) return undefined
    const status = parseJson(await readFile(path))
    return textAt(status, 'state') === 'healthy' && textAt(status, 'problem', 'code') === undefined ? status : undefined
  })

const read = [
  { name: 'the kubeconfig', path: ({ kubeconfig }: JoinFiles) => kubeconfig },
  { name: 'ca.crt', path: ({ ca }: JoinFiles) => ca },
  {
    name: 'the link to the pair',
    path: ({ certificates }: JoinFiles) => join(certificates, 'kubelet-client-current.pem'),
  },
  ...['cluster.json', 'pending-request.pem', 'refusal.json', 'keys-made.json', 'hooks.json', 'asked-renewal.json'].map(
    (name) => ({ name, path: ({ state }: JoinFiles) => join(state, name) }),
  ),
]

describe('in the place of a file that a joined node’s agent reads, what is no small file', () => {
  itConcurrently(
    read,
    async ({ path: pathIn }) => {
      await using scene = await createScene()
      const agent = scene.daemon()
      await waitForJoin(agent)
      await healthy(scene)
      const [path, aside] = [pathIn(scene.files), join(scene.directory, 'aside')]
      const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined
      for (const [kind, put] of Object.entries(kinds)) {
        const from = agent.lines.length
        if (isThere) await rename(path, aside)
        await put(path)
        agent.kill('SIGHUP')
        const { message } = await waitForProblem(agent, 'storage-malformed', from)
        assert.ok(message.includes(path), `${kind}: ${message}`)
        assertSmall(agent)
        await rm(path)
        if (isThere) await rename(aside, path)
        agent.kill('SIGHUP')
        await healthy(scene)
      }
      assert.equal(scene.cluster.listCertificateSigningRequests().length, 1)
    },
    3,
  )
})

describe('in the place of a file that an agent only writes, what is no small file', () => {
  it('is replaced', async () => {
    await using scene = await createScene()
    const textfile = join(scene.directory, 'node-bootstrap.prom')
    await scene.configure({ metrics: { textfile } })
    const agent = scene.daemon()
    await waitForJoin(agent)
    for (const path of [join(scene.files.runtime, 'status.json'), textfile])
      for (const put of Object.values(kinds)) {
        await healthy(scene)
        await rm(path, { force: true })
        await put(path)
        await writeFile(scene.path, `${await readFile(scene.path, 'utf8')}\n# once more\n`)
        agent.kill('SIGHUP')
        await eventually(`${path} as a file`, { deadlineMs: 2 * DEADLINE_MS }, () => {
          const stats = lstatSync(path, { throwIfNoEntry: false })
          return Promise.resolve(stats?.isFile() === true && stats.size < 1024 ** 2 ? stats : undefined)
        })
        assertSmall(agent)
      }
  }).timeout(4 * DEADLINE_MS)
})
