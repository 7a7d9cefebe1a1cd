import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { ConfigurationSource } from '../../../src/compose/configuration-source.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { bootstrapErrorOf } from '../../harness/thrown.ts'
import { MemoryFiles, VirtualClock } from '../agent/fakes.ts'

const JOIN = '/etc/node-bootstrap/join.yaml'
const TOKEN_FILE = '/etc/node-bootstrap/token'

const document = (name: string): string =>
  JSON.stringify({
    apiVersion: 'node-bootstrap/v1',
    kind: 'JoinConfiguration',
    node: { name },
    discovery: {
      token: { endpoints: ['10.0.0.10:6443'], tokenFile: TOKEN_FILE, caCertHashes: [`sha256:${'a'.repeat(64)}`] },
    },
  })

class Disk extends MemoryFiles {
  /** After what is read is taken, before it arrives. */
  afterRead: (path: string) => void | Promise<void> = () => undefined

  constructor() {
    super(new VirtualClock())
  }

  write(path: string, text: string): void {
    this.entries.set(path, { kind: 'file', content: Buffer.from(text), target: '', mode: 0o600, modifiedMs: 0 })
  }

  override async read(path: string): Promise<Uint8Array | undefined> {
    const bytes = await super.read(path)
    await this.afterRead(path)
    return bytes
  }
}

async function opened(): Promise<{ disk: Disk; source: ConfigurationSource }> {
  const disk = new Disk()
  disk.write(JOIN, document('one'))
  disk.write(TOKEN_FILE, 'abcdef.0123456789abcdef')
  return { disk, source: await ConfigurationSource.open(disk, JOIN) }
}

describe('ConfigurationSource', () => {
  it('has no news where nothing has changed', async () => {
    const { source } = await opened()
    assert.equal(source.configuration.node.name, 'one')
    assert.equal(await source.reload(), undefined)
  })

  it('takes a change for news that came right after the file was read', async () => {
    const disk = new Disk()
    disk.write(JOIN, document('one'))
    disk.afterRead = (path) => {
      if (path === JOIN) disk.write(JOIN, document('two'))
    }
    const source = await ConfigurationSource.open(disk, JOIN)
    assert.equal(source.configuration.node.name, 'one')
    assert.equal((await source.reload())?.node.name, 'two')
    assert.equal(source.configuration.node.name, 'two')
    assert.equal(source.initial.node.name, 'one')
    assert.equal(await source.reload(), undefined)
  })

  const changes: [string, (disk: Disk) => void][] = [
    [
      'has other content',
      (disk) => {
        disk.write(TOKEN_FILE, 'fedcba.0123456789abcdef')
      },
    ],
    ['is gone', (disk) => disk.entries.delete(TOKEN_FILE)],
    [
      'cannot be read any more',
      (disk) => {
        disk.fault = (_method, path) => {
          if (path === TOKEN_FILE) throw new BootstrapError('storage-denied', 'a test said so')
        }
      },
    ],
  ]
  for (const [what, change] of changes)
    it(`has news, once, where a file that it names ${what}`, async () => {
      const { disk, source } = await opened()
      change(disk)
      assert.equal((await source.reload())?.node.name, 'one')
      assert.equal(await source.reload(), undefined)
    })

  it('ends with the newest content, whichever of two reloads reads faster', async () => {
    const { disk, source } = await opened()
    const { promise: gate, resolve: open } = Promise.withResolvers<undefined>()
    let reads = 0
    disk.afterRead = async (path) => {
      if (path !== JOIN) return
      reads += 1
      if (reads === 1) {
        disk.write(JOIN, document('two'))
        await gate
      }
    }
    const first = source.reload()
    // The first one has read and waits.
    while (reads === 0) await turn()
    const second = source.reload()
    for (let turns = 0; turns < 50; turns += 1) await turn()
    open(undefined)
    assert.equal(await first, undefined)
    assert.equal((await second)?.node.name, 'two')
    assert.equal(source.configuration.node.name, 'two')
  })

  it('gives one change to one of two reloads', async () => {
    const { disk, source } = await opened()
    disk.write(JOIN, document('two'))
    const news = await Promise.all([source.reload(), source.reload()])
    assert.deepEqual(
      news.map((configuration) => configuration?.node.name),
      ['two', undefined],
    )
  })

  it('keeps the last good one over a bad one, and is not stuck after it', async () => {
    const { disk, source } = await opened()
    disk.write(JOIN, 'kind: [')
    const [failed, again] = [source.reload(), source.reload()]
    assert.equal((await bootstrapErrorOf(failed)).code, 'config-invalid')
    assert.equal((await bootstrapErrorOf(again)).code, 'config-invalid')
    disk.entries.delete(JOIN)
    assert.equal((await bootstrapErrorOf(source.reload())).code, 'config-unreadable')
    assert.equal(source.configuration.node.name, 'one')
    disk.write(JOIN, document('two'))
    assert.equal((await source.reload())?.node.name, 'two')
  })

  it('watches join.yaml and the files that it names', async () => {
    const { source } = await opened()
    assert.deepEqual(source.watchedPaths, [JOIN, TOKEN_FILE])
  })
})
