import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, mkdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { EXIT, type ErrorCode } from '../../../src/lib/error-codes.ts'
import { parseJson, textAt } from '../../../src/lib/json.ts'
import { eventually } from '../../harness/eventually.ts'
import type { JoinFiles } from '../../harness/join-configuration.ts'
import {
  assertEndedWith,
  createScene,
  DEADLINE_MS,
  itConcurrently,
  type Scene,
  waitForJoin,
  waitForMessage,
  waitForProblem,
} from './scene.ts'
import { mountProblem, overrideProblem, SmallFileSystem, withoutOverride } from './storage.ts'

const places = {
  state: ({ state }: JoinFiles) => state,
  certificates: ({ certificates }: JoinFiles) => certificates,
  kubeconfig: ({ kubeconfig }: JoinFiles) => dirname(kubeconfig),
  ca: ({ ca }: JoinFiles) => dirname(ca),
}
type Place = keyof typeof places
const everyPlace = Object.keys(places) as Place[]

/** Called while the place is bad; whatever it returns mends it. */
type Spoil = (directory: string, stack: DisposableStack) => Promise<() => Promise<void>>

const denied: Spoil = async (directory) => {
  await mkdir(directory, { recursive: true })
  await chmod(directory, 0o555)
  return () => chmod(directory, 0o755)
}

const readOnly: Spoil = (directory, stack) => {
  const fileSystem = stack.use(new SmallFileSystem(directory, 256))
  fileSystem.remount('ro')
  return Promise.resolve(() => {
    fileSystem.remount('rw')
    return Promise.resolve()
  })
}

const full: Spoil = async (directory, stack) => {
  stack.use(new SmallFileSystem(directory, 32))
  const ballast = join(directory, 'ballast')
  await assert.rejects(writeFile(ballast, Buffer.alloc(1024 * 1024)), { code: 'ENOSPC' })
  return () => rm(ballast)
}

const fileInTheWay: Spoil = async (directory) => {
  await mkdir(dirname(directory), { recursive: true })
  await writeFile(directory, 'in the way')
  return () => rm(directory)
}

async function joinsOnceMended(place: Place, spoil: Spoil, code: ErrorCode): Promise<void> {
  await using scene = await createScene()
  using stack = new DisposableStack()
  const mend = await spoil(places[place](scene.files), stack)
  // The exit status does not depend on the place.
  if (place === 'state') assertEndedWith(await scene.once(withoutOverride()), code, EXIT.storage)
  await joins(scene, mend, code)
}

async function joins(scene: Scene, mend: () => Promise<void>, code: ErrorCode): Promise<void> {
  const agent = scene.daemon(withoutOverride())
  const { message, retryInSeconds = Infinity } = await waitForProblem(agent, code)
  assert.ok(message.includes(scene.directory), message)
  assert.ok(retryInSeconds <= 120)
  await mend()
  await waitForJoin(agent)
  assert.equal(scene.cluster.listCertificateSigningRequests().length, 1, 'the key was lost on the way')
}

const skipped = (problem: string | undefined): string => (problem === undefined ? '' : ` (skipped: ${problem})`)
const describeUnless = (problem: string | undefined): typeof describe | typeof describe.skip =>
  problem === undefined ? describe : describe.skip

const rows = everyPlace.map((place) => ({ place, name: place }))

describeUnless(overrideProblem)(`an unwritable directory${skipped(overrideProblem)}`, () => {
  itConcurrently(rows, ({ place }) => joinsOnceMended(place, denied, 'storage-denied'))
})

describeUnless(mountProblem)(`a read-only file system${skipped(mountProblem)}`, () => {
  itConcurrently(rows, ({ place }) => joinsOnceMended(place, readOnly, 'storage-read-only'))
})

describeUnless(mountProblem)(`a full file system${skipped(mountProblem)}`, () => {
  itConcurrently(rows, ({ place }) => joinsOnceMended(place, full, 'storage-full'))
})

describe('a file where a directory should be', () => {
  itConcurrently(rows, ({ place }) => joinsOnceMended(place, fileInTheWay, 'storage-malformed'))
})

describe('something else where a file should be', () => {
  const paths = [
    { name: 'a directory for the kubeconfig', path: ({ kubeconfig }: JoinFiles) => kubeconfig },
    { name: 'a directory for ca.crt', path: ({ ca }: JoinFiles) => ca },
    { name: 'a directory for the pending key', path: ({ state }: JoinFiles) => join(state, 'pending-request.pem') },
    {
      name: 'a directory for the link to the current pair',
      path: ({ certificates }: JoinFiles) => join(certificates, 'kubelet-client-current.pem'),
    },
    {
      name: 'a directory for the temporary file',
      path: ({ state }: JoinFiles) => join(state, '.node-bootstrap-new'),
    },
  ]
  itConcurrently(paths, async ({ path }) => {
    await using scene = await createScene()
    await mkdir(path(scene.files), { recursive: true })
    await joins(scene, () => rmdir(path(scene.files)), 'storage-malformed')
  })

  it('a socket for the kubeconfig', async () => {
    await using scene = await createScene()
    const { kubeconfig } = scene.files
    await mkdir(dirname(kubeconfig), { recursive: true })
    await using server = createServer().listen(kubeconfig)
    await once(server, 'listening')
    await joins(scene, () => rm(kubeconfig), 'storage-malformed')
  })
})

describeUnless(overrideProblem)(`the runtime directory${skipped(overrideProblem)}`, () => {
  it('that is not writable at the start does not stop the join, and is told', async () => {
    await using scene = await createScene()
    await denied(scene.files.runtime, new DisposableStack())
    const agent = scene.daemon(withoutOverride())
    await waitForProblem(agent, 'storage-denied')
    await waitForJoin(agent)
  })

  it('that is lost later does not stop the join, and the status is back once it is mended', async () => {
    await using scene = await createScene({ clusterOptions: { approval: 'manual' } })
    const { cluster, files } = scene
    const agent = scene.daemon(withoutOverride())
    await waitForMessage(agent, /the request waits for approval/)
    const mend = await denied(files.runtime, new DisposableStack())
    for (const { metadata } of cluster.listCertificateSigningRequests()) cluster.approve(metadata.name)
    await waitForProblem(agent, 'storage-denied')
    await waitForJoin(agent)
    await mend()
    agent.kill('SIGHUP')
    await eventually('the status', { deadlineMs: DEADLINE_MS }, async () => {
      const status = parseJson(await readFile(join(files.runtime, 'status.json')))
      return textAt(status, 'state') === 'healthy' ? status : undefined
    })
  })
})
