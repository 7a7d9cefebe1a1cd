/**
 * What may stand where a file of the agent's should be, while it runs as a node: each is told by its name, nothing blocks or
 * fills the memory, the identity stays, and all is well once it is mended.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { lstatSync } from 'node:fs'
import { mkdir, readFile, readlink, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { oddities, type Oddity } from '../../../src/agent/oddities.ts'
import type { Status } from '../../../src/agent/status.ts'
import type { AgentProcess } from '../../harness/agent-process.ts'
import { eventually } from '../../harness/eventually.ts'
import type { JoinFiles } from '../../harness/join-configuration.ts'
import { createScene, DEADLINE_MS, waitForJoin, waitForMessage, waitForProblem, type Scene } from './scene.ts'

/** Larger than the memory that anything here may take. */
const HUGE_BYTES = 10 * 2 ** 30
const MOST_MEMORY_KIB = 1024 * 1024

const make = (command: string, ...args: string[]): void => {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

type Spoil = (path: string) => Promise<void> | void

/** A new file takes the place of these. */
const replaceable: Readonly<Record<string, Spoil>> = {
  'a FIFO that nobody writes to': (path) => {
    make('mkfifo', path)
  },
  // Only root makes one.
  ...(process.getuid?.() === 0
    ? {
        '/dev/zero': (path: string) => {
          make('mknod', path, 'c', '1', '5')
        },
      }
    : {}),
  'a file that would fill the memory': async (path) => {
    await writeFile(path, '')
    await truncate(path, HUGE_BYTES)
  },
  'a link to itself': (path) => symlink(path, path),
}

/** None of these is read: what is there is for a person to move away. */
const unread: Readonly<Record<string, Spoil>> = {
  ...replaceable,
  'a directory with something in it': async (path) => {
    await mkdir(join(path, 'something'), { recursive: true })
  },
}

/** These are read, and are nothing that the agent has written. */
const foreign: Readonly<Record<string, Spoil>> = {
  nothing: (path) => writeFile(path, '', { mode: 0o600 }),
  'the bytes of something else': (path) =>
    writeFile(path, Buffer.from([0, 255, 10, 13, 239, 187, 191]), { mode: 0o600 }),
  'a link to a file of somebody else': (path) => symlink('/etc/passwd', path),
}

type Place = (files: JoinFiles) => string | Promise<string>

const currentPair = ({ certificates }: JoinFiles): string => join(certificates, 'kubelet-client-current.pem')
const inState =
  (name: string): Place =>
  ({ state }) =>
    join(state, name)

/** What foreign content there is called; undefined: the node would have to join again. */
const places: readonly { name: string; path: Place; oddity: Oddity | undefined }[] = [
  { name: 'the link to the current pair', path: currentPair, oddity: 'private-key-unreadable' },
  {
    name: 'the current pair',
    path: async (files) => join(files.certificates, basename(await readlink(currentPair(files)))),
    oddity: undefined,
  },
  { name: 'the kubeconfig', path: ({ kubeconfig }) => kubeconfig, oddity: 'kubeconfig-differs' },
  { name: 'ca.crt', path: ({ ca }) => ca, oddity: 'ca-bundle-differs' },
  { name: 'cluster.json', path: inState('cluster.json'), oddity: 'cluster-record-unreadable' },
  { name: 'hooks.json', path: inState('hooks.json'), oddity: 'hook-record-unreadable' },
  { name: 'keys-made.json', path: inState('keys-made.json'), oddity: 'key-ledger-unreadable' },
  { name: 'pending-request.pem', path: inState('pending-request.pem'), oddity: 'pending-request-unreadable' },
  { name: 'refusal.json', path: inState('refusal.json'), oddity: 'refusal-unreadable' },
  { name: 'asked-renewal.json', path: inState('asked-renewal.json'), oddity: 'asked-renewal-unreadable' },
]

describe('what may stand where a file of the agent’s should be', function () {
  this.timeout(3 * DEADLINE_MS)
  let scene: Scene
  let agent: AgentProcess
  let fingerprint: string | undefined

  const status = async (): Promise<Status> =>
    JSON.parse(await readFile(join(scene.files.runtime, 'status.json'), 'utf8')) as Status

  const healthy = (): Promise<Status> =>
    eventually('it is well', { deadlineMs: DEADLINE_MS }, async () => {
      const now = await status()
      return now.state === 'healthy' ? now : undefined
    })

  /** While the agent stands still: it never sees what is in between, as a pair that is missing for a moment. */
  async function unseen(change: () => Promise<void>): Promise<void> {
    agent.kill('SIGSTOP')
    await eventually(
      'the agent stands still',
      { deadlineMs: DEADLINE_MS },
      async () => /^State:\s+T/m.exec(await readFile(`/proc/${agent.pid}/status`, 'utf8')) ?? undefined,
    )
    await change()
    agent.kill('SIGCONT')
  }

  /** From a SIGHUP until `seen` resolves; then what stood there before is put back, and it is the same node. */
  async function during(path: string, spoil: Spoil, seen: (from: number) => Promise<unknown>): Promise<void> {
    const kept = `${scene.directory}-kept`
    let wasThere = false
    await unseen(async () => {
      wasThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined
      if (wasThere) await rename(path, kept)
      await spoil(path)
    })
    const from = agent.lines.length
    agent.kill('SIGHUP')
    await seen(from)
    await unseen(async () => {
      await rm(path, { recursive: true, force: true })
      if (wasThere) await rename(kept, path)
    })
    const mended = agent.lines.length
    agent.kill('SIGHUP')
    await waitForJoin(agent, mended)
    assert.equal((await healthy()).certificate?.fingerprint, fingerprint)
    assert.equal(scene.cluster.listCertificateSigningRequests().length, 1)
  }

  before(async () => {
    scene = await createScene()
    const metrics = { textfile: join(scene.directory, 'metrics.prom') }
    await scene.configure({ metrics, hooks: { afterJoin: [{ command: ['/bin/true'] }] } })
    agent = scene.daemon()
    await waitForJoin(agent)
    fingerprint = (await healthy()).certificate?.fingerprint
  })
  after(() => scene[Symbol.asyncDispose]())

  for (const { name, path, oddity } of places) {
    it(`${name}: what cannot be read is told with its path`, async () => {
      const place = await path(scene.files)
      for (const [what, spoil] of Object.entries(unread))
        await during(place, spoil, async (from) => {
          const { message } = await waitForProblem(agent, 'storage-malformed', from)
          assert.ok(message.includes(scene.directory), `${what}: ${message}`)
          assert.equal((await status()).joined, true)
        })
    })
    if (oddity !== undefined)
      it(`${name}: what the agent did not write is ${oddity}`, async () => {
        for (const spoil of Object.values(foreign))
          await during(await path(scene.files), spoil, (from) =>
            waitForMessage(agent, RegExp(oddities[oddity].says), from),
          )
      })
  }

  for (const [name, path] of [
    ['status.json', () => join(scene.files.runtime, 'status.json')],
    ['the metrics', () => join(scene.directory, 'metrics.prom')],
  ] as const)
    it(`${name}: what stands there is replaced`, async () => {
      for (const spoil of Object.values({ ...replaceable, ...foreign })) {
        // In one step: the agent may write it at any moment.
        const aside = join(scene.directory, 'aside')
        await spoil(aside)
        await rename(aside, path())
        // When the API server was asked last is news.
        agent.kill('SIGHUP')
        await eventually(`${path()} as a file`, { deadlineMs: DEADLINE_MS }, () => {
          const stats = lstatSync(path(), { throwIfNoEntry: false })
          return Promise.resolve(
            stats?.isFile() === true && stats.size > 0 && stats.size < HUGE_BYTES ? stats : undefined,
          )
        })
      }
    })

  it('and none of it was held in memory', async () => {
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${agent.pid}/status`, 'utf8'))
    assert.ok(Number(peak?.[1]) < MOST_MEMORY_KIB)
  })
})
