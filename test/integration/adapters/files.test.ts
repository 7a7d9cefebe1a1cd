import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs, { fstatSync, readlinkSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import sinon from 'sinon'
import { nodeFiles } from '../../../src/adapters/files.ts'
import { bootstrapErrorOf } from '../../harness/thrown.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../../harness/temporary-directory.ts'

const run = promisify(execFile)

describe('the files port', () => {
  let temporary: TemporaryDirectory
  let path: string
  beforeEach(async () => {
    temporary = await temporaryDirectory()
    path = join(temporary.path, 'file')
  })
  afterEach(async () => {
    await temporary[Symbol.asyncDispose]()
  })

  it('reads a file of the very bound, and refuses a byte more', async () => {
    await writeFile(path, 'x'.repeat(100))
    assert.equal((await nodeFiles.read(path, 100))?.length, 100)
    const error = await bootstrapErrorOf(nodeFiles.read(path, 99))
    assert.deepEqual([error.code, error.message], ['storage-malformed', `${path} is larger than 99 bytes`])
  })

  it('refuses an endless file whose size says 0', async () => {
    await symlink('/dev/zero', path)
    assert.equal((await bootstrapErrorOf(nodeFiles.read(path, 1000))).code, 'storage-malformed')
  })

  it('refuses a file that has more in it than its size said', async () => {
    assert.equal((await bootstrapErrorOf(nodeFiles.read('/proc/self/status', 1000))).code, 'storage-failed')
  })

  it('refuses what is no file: a FIFO does not hold it up', async () => {
    await run('mkfifo', [path])
    assert.equal((await bootstrapErrorOf(nodeFiles.read(path, 10))).code, 'storage-malformed')
    assert.equal((await nodeFiles.stat(path))?.kind, 'other')
    assert.equal((await bootstrapErrorOf(nodeFiles.read(temporary.path, 10))).code, 'storage-malformed')
  })

  it('refuses a socket', async () => {
    await using server = createServer()
    await new Promise<void>((resolve) => server.listen(path, resolve))
    assert.equal((await bootstrapErrorOf(nodeFiles.read(path, 10))).code, 'storage-malformed')
  })

  for (const code of ['EPERM', 'ENOTSUP'])
    it(`creates a file and a directory with no more than their mode where chmod fails with ${code}`, async () => {
      const fchmod = sinon.stub(fs, 'fchmod').callsArgWith(2, Object.assign(new Error(code), { code }))
      try {
        await nodeFiles.createSynced(path, Buffer.from('content'), 0o600)
        await nodeFiles.makeDirectory(join(temporary.path, 'directory'), 0o700)
        assert.equal(fchmod.callCount, 2)
      } finally {
        sinon.restore()
      }
      assert.equal((await nodeFiles.stat(path))?.mode, 0o600)
      assert.equal((await nodeFiles.stat(join(temporary.path, 'directory')))?.mode, 0o700)
    })

  it('creates a file with a time stamp of before, or with today’s where none can be set', async () => {
    const [atMs, beganMs] = [Date.UTC(2026, 10, 1), Date.now()]
    await nodeFiles.createSynced(path, Buffer.from('content'), 0o600, atMs)
    assert.equal((await nodeFiles.stat(path))?.modifiedMs, atMs)
    sinon.stub(fs, 'futimes').callsArgWith(3, Object.assign(new Error('EPERM'), { code: 'EPERM' }))
    try {
      await nodeFiles.createSynced(`${path}-2`, Buffer.from('content'), 0o600, atMs)
    } finally {
      sinon.restore()
    }
    assert.ok(((await nodeFiles.stat(`${path}-2`))?.modifiedMs ?? 0) > beganMs - 60_000)
    assert.equal(await readFile(`${path}-2`, 'utf8'), 'content')
  })

  it('takes absence for a value, below a file, too', async () => {
    await writeFile(path, '')
    for (const absent of [join(temporary.path, 'none'), join(path, 'below')]) {
      assert.equal(await nodeFiles.read(absent, 10), undefined)
      assert.equal(await nodeFiles.stat(absent), undefined)
      assert.equal(await nodeFiles.readLink(absent), undefined)
      assert.deepEqual(await nodeFiles.list(absent), [])
    }
    await nodeFiles.remove(join(temporary.path, 'none'))
  })

  describe('syncs', () => {
    /** In their order: what was synced, below the temporary directory, and how large it was then. */
    const synced: string[] = []
    beforeEach(() => {
      const fsync = sinon.stub(fs, 'fsync')
      fsync.callsFake((descriptor, done) => {
        const name = readlinkSync(`/proc/self/fd/${descriptor}`).replace(temporary.path, '')
        const stats = fstatSync(descriptor)
        synced.push(stats.isFile() ? `${name}, ${stats.size} bytes` : `${name}/`)
        fsync.wrappedMethod(descriptor, done)
      })
    })
    afterEach(() => {
      sinon.restore()
      synced.length = 0
    })

    it('a file that it creates, with its content', async () => {
      await nodeFiles.createSynced(path, Buffer.from('content'), 0o600)
      assert.deepEqual(synced, ['/file, 7 bytes'])
    })

    it('the directory in which it makes another one', async () => {
      await nodeFiles.makeDirectory(join(path, 'one', 'other'), 0o755)
      assert.deepEqual(synced, ['/', '/file/', '/file/one/'])
    })

    it('a directory that it is told to', async () => {
      await nodeFiles.syncDirectory(temporary.path)
      assert.deepEqual(synced, ['/'])
    })
  })

  const isRoot = process.geteuid?.() === 0
  const nobody = 65534
  it(`tells a file of another user from one of root${isRoot ? '' : ' (skipped: it takes root to give a file away)'}`, async function () {
    assert.equal((await nodeFiles.stat('/'))?.isOthers, false)
    if (!isRoot) this.skip()
    await writeFile(path, '')
    await chown(path, nobody, 0)
    assert.equal((await nodeFiles.stat(path))?.isOthers, true)
  })

  it('tells what stands at a path without following a link', async () => {
    await writeFile(path, 'abc', { mode: 0o640 })
    await chmod(path, 0o4640)
    const link = join(temporary.path, 'link')
    await nodeFiles.symlink(path, link)
    const { mtimeMs: modifiedMs } = await stat(path)
    const facts = { kind: 'file', mode: 0o4640, isOthers: false, sizeBytes: 3, modifiedMs }
    assert.deepEqual(await nodeFiles.stat(path), facts)
    assert.equal((await nodeFiles.stat(link))?.kind, 'link')
    assert.equal((await nodeFiles.stat(temporary.path))?.kind, 'directory')
    assert.equal(await nodeFiles.readLink(link), path)
    assert.equal(await nodeFiles.readLink(path), undefined)
    assert.deepEqual(await nodeFiles.list(temporary.path), ['file', 'link'])
  })

  it('creates no file over another, nor through a link', async () => {
    await writeFile(path, 'old')
    assert.equal(
      (await bootstrapErrorOf(nodeFiles.createSynced(path, Buffer.from('new'), 0o600))).code,
      'storage-malformed',
    )
    const link = join(temporary.path, 'link')
    await symlink(join(temporary.path, 'nowhere'), link)
    await bootstrapErrorOf(nodeFiles.createSynced(link, Buffer.from('new'), 0o600))
    assert.equal(await nodeFiles.stat(join(temporary.path, 'nowhere')), undefined)
    assert.equal(await readFile(path, 'utf8'), 'old')
  })

  it('removes a link and not what it leads to, and no directory', async () => {
    await writeFile(path, 'x')
    const link = join(temporary.path, 'link')
    await symlink(path, link)
    await nodeFiles.remove(link)
    assert.deepEqual(await nodeFiles.list(temporary.path), ['file'])
    const directory = join(temporary.path, 'directory')
    await mkdir(directory)
    assert.equal((await bootstrapErrorOf(nodeFiles.remove(directory))).code, 'storage-malformed')
  })

  it('keeps the cause, and names the path and the errno', async () => {
    const missing = join(temporary.path, 'a', 'b')
    const error = await bootstrapErrorOf(nodeFiles.createSynced(missing, Buffer.from('hunter2'), 0o600))
    assert.equal(error.message, `${missing} cannot be written (ENOENT)`)
    assert(error.cause instanceof Error)
    assert.doesNotMatch(String(error.stack), /hunter2/)
  })

  it('reports a link that leads to itself', async () => {
    await symlink(path, path)
    assert.match((await bootstrapErrorOf(nodeFiles.read(path, 10))).message, /ELOOP/)
  })

  it('makes a directory with its parents, through a link, and takes one that is there; a file it does not take', async () => {
    await nodeFiles.makeDirectory(join(temporary.path, 'a', 'b', 'c'), 0o700)
    await symlink('a', join(temporary.path, 'to-a'))
    await nodeFiles.makeDirectory(join(temporary.path, 'to-a', 'b'), 0o755)
    await nodeFiles.makeDirectory(join(temporary.path, 'to-a'), 0o755)
    assert.equal((await nodeFiles.stat(join(temporary.path, 'a', 'b')))?.mode, 0o700)
    await writeFile(path, '')
    assert.match((await bootstrapErrorOf(nodeFiles.makeDirectory(path, 0o700))).message, /EEXIST/)
  })

  describe('on a file system of its own', () => {
    let mounted: string
    let undo: () => Promise<unknown>
    beforeEach(async function () {
      mounted = join(temporary.path, 'mounted')
      await mkdir(mounted)
      try {
        await run('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', mounted])
      } catch {
        undo = () => Promise.resolve()
        this.test?.parent?.tests.forEach((test) => (test.title += ' (mount is not permitted here)'))
        this.skip()
      }
      undo = () => run('umount', [mounted])
    })
    afterEach(async () => {
      await undo()
    })

    it('says that it is full', async () => {
      const error = await bootstrapErrorOf(nodeFiles.createSynced(join(mounted, 'x'), new Uint8Array(65_536), 0o600))
      assert.deepEqual([error.code, error.retryable], ['storage-full', true])
    })

    it('says that it is read-only', async () => {
      await writeFile(join(mounted, 'there'), 'x')
      await run('mount', ['-o', 'remount,ro', mounted])
      for (const [name, effect] of Object.entries({
        create: () => nodeFiles.createSynced(join(mounted, 'x'), new Uint8Array(), 0o600),
        remove: () => nodeFiles.remove(join(mounted, 'there')),
        rename: () => nodeFiles.rename(join(mounted, 'there'), join(mounted, 'x')),
        symlink: () => nodeFiles.symlink('y', join(mounted, 'x')),
        makeDirectories: () => nodeFiles.makeDirectory(join(mounted, 'd', 'e'), 0o700),
        makeDirectory: () => nodeFiles.makeDirectory(join(mounted, 'd'), 0o700),
      })) {
        const { code, message } = await bootstrapErrorOf(effect())
        assert.equal(code, 'storage-read-only', `${name}: ${message}`)
      }
      assert.equal(String(await nodeFiles.read(join(mounted, 'there'), 10)), 'x')
    })
  })

  it('says that it is denied, to a user who is not root', async () => {
    await chmod(temporary.path, 0o755)
    const closed = join(temporary.path, 'closed')
    await mkdir(closed, { mode: 0o700 })
    // Only another process can be another user: this one must stay who it is.
    const script = `
      import { nodeFiles } from ${JSON.stringify(join(import.meta.dirname, '../../../src/adapters/files.ts'))}
      if (process.getuid() === 0) { process.setgroups([]); process.setgid(65534); process.setuid(65534) }
      const told = (effect) => effect.then(() => 'done', ({ code, hint }) => code + ': ' + hint)
      console.log(await told(nodeFiles.read(process.argv[1] + '/x', 1)))
      console.log(await told(nodeFiles.createSynced(process.argv[1] + '/x', Buffer.alloc(1), 0o600)))`
    if (process.getuid?.() !== 0) await chmod(closed, 0)
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script, closed])
    assert.match(
      stdout,
      /^storage-denied: only the agent's user must be able to read it.*\nstorage-denied: make the path writable/,
    )
  })
})
