import { readText } from '../../../src/lib/text-file.ts'
import assert from 'node:assert/strict'
import { lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { removeDurably, replaceFile, replaceLink } from '../../../src/store/durable-file.ts'
import { Crash, faultyFiles } from '../../harness/faulty-files.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../../harness/temporary-directory.ts'

describe('durable files', () => {
  let directory: TemporaryDirectory
  let path: string
  beforeEach(async () => {
    directory = await temporaryDirectory()
    path = join(directory.path, 'file')
  })
  afterEach(async () => {
    await directory[Symbol.asyncDispose]()
  })
  const modeOf = async (file: string): Promise<number> => (await lstat(file)).mode & 0o7777

  it('are created aside, renamed into place, and the directory is synced, in this order', async () => {
    const { files, effects } = faultyFiles()
    await replaceFile(files, path, 'new', 0o600, 0o700)
    assert.deepEqual(effects, [
      'makeDirectory 700',
      'remove .node-bootstrap-new',
      'create .node-bootstrap-new 600',
      'rename .node-bootstrap-new file',
      'sync directory',
    ])
    assert.equal(await readFile(path, 'utf8'), 'new')
  })

  it('are links in the same way', async () => {
    const { files, effects } = faultyFiles()
    await replaceLink(files, path, '/target')
    assert.deepEqual(effects.slice(1), [
      'link .node-bootstrap-new',
      'rename .node-bootstrap-new file',
      'sync directory',
    ])
    assert.equal(await readlink(path), '/target')
  })

  it('are old or new after a crash before any effect, never anything else, and heal at the next try', async () => {
    for (let effectsLeft = 0; effectsLeft < 5; effectsLeft += 1) {
      await writeFile(path, 'old')
      await assert.rejects(replaceFile(faultyFiles(effectsLeft).files, path, 'new', 0o600), Crash)
      assert.equal(await readFile(path, 'utf8'), effectsLeft < 4 ? 'old' : 'new')
      await replaceFile(faultyFiles().files, path, 'healed', 0o600)
      assert.equal(await readFile(path, 'utf8'), 'healed')
      assert.deepEqual(await readdir(directory.path), ['file'])
    }
  })

  for (const umask of [0o077, 0o000, 0o777])
    it(`have exactly the mode that was asked for under umask ${umask.toString(8)}`, async () => {
      const before = process.umask(umask)
      try {
        for (const mode of [0o600, 0o644, 0o640]) {
          await replaceFile(faultyFiles().files, path, 'x', mode)
          assert.equal(await modeOf(path), mode)
        }
      } finally {
        process.umask(before)
      }
    })

  it('take the new mode where a wider one was', async () => {
    await writeFile(path, 'old', { mode: 0o666 })
    await replaceFile(faultyFiles().files, path, 'new', 0o600)
    assert.equal(await modeOf(path), 0o600)
  })

  it('replace a link and leave what it pointed to', async () => {
    const target = join(directory.path, 'target')
    await writeFile(target, 'precious')
    await symlink(target, path)
    await replaceFile(faultyFiles().files, path, 'new', 0o600)
    assert((await lstat(path)).isFile())
    assert.equal(await readFile(target, 'utf8'), 'precious')
  })

  it('are not written through a link that somebody put in the temporary file’s place', async () => {
    const victim = join(directory.path, 'victim')
    await writeFile(victim, 'precious')
    await symlink(victim, join(directory.path, '.node-bootstrap-new'))
    await replaceFile(faultyFiles().files, path, 'new', 0o600)
    assert.equal(await readFile(victim, 'utf8'), 'precious')
  })

  it('make their directory where it is missing, and leave the mode of one that is there', async () => {
    const deep = join(directory.path, 'a', 'b', 'file')
    await replaceFile(faultyFiles().files, deep, 'x', 0o600, 0o700)
    assert.equal(await modeOf(join(directory.path, 'a', 'b')), 0o700)
    const open = join(directory.path, 'open')
    await mkdir(open, { mode: 0o755 })
    await replaceFile(faultyFiles().files, join(open, 'file'), 'x', 0o600, 0o700)
    assert.equal(await modeOf(open), 0o755)
  })

  it('are removed durably, and nothing happens where there is none', async () => {
    await writeFile(path, 'x')
    const { files, effects } = faultyFiles()
    await removeDurably(files, path)
    await removeDurably(files, path)
    assert.deepEqual(effects, ['remove file', 'sync directory'])
    assert.deepEqual(await readdir(directory.path), [])
  })

  it('read as text, or as nothing where there is none', async () => {
    await writeFile(path, 'grüße')
    assert.equal(await readText(faultyFiles().files, path), 'grüße')
    assert.equal(await readText(faultyFiles().files, join(directory.path, 'none')), undefined)
    assert.equal(await readText(faultyFiles().files, join(path, 'below-a-file')), undefined)
  })
})
