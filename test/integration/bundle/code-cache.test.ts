import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { codeCachePath, programPath } from '../../../scripts/code-cache-paths.ts'
import { VERSION } from '../../../src/lib/version.ts'
import { temporaryDirectory } from '../../harness/temporary-directory.ts'

const run = promisify(execFile)
const script = (name: string): string => join(import.meta.dirname, '../../../scripts', name)

const COMPILE = `
  const compiled = new vm.Script(fs.readFileSync(process.argv[2], 'latin1'), {
    filename: process.argv[2],
    cachedData: fs.readFileSync(process.argv[1]),
  })
  process.stdout.write(String(compiled.cachedDataRejected))`

/** Asked of a process of its own, because the flags of the entry would slow all other tests of this one down. */
async function isRejected(directory: string): Promise<string> {
  const paths = [codeCachePath(directory), programPath(directory)]
  return (await run(process.execPath, ['--import', script('v8-flags.ts'), '-e', COMPILE, ...paths])).stdout
}

const compile = (directory: string): Promise<unknown> =>
  run(process.execPath, ['--random-seed=1', script('code-cache.ts'), directory], {
    env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' },
  })

describe('the bundle', () => {
  it('starts with the code cache that was made for it, with a damaged one, and with none', async () => {
    await using directory = await temporaryDirectory()
    await run(process.execPath, [script('build.ts'), directory.path])
    await compile(directory.path)
    const cache = codeCachePath(directory.path)
    const version = async (): Promise<string> =>
      (await run(process.execPath, [join(directory.path, 'node-bootstrap.cjs'), 'version'])).stdout.trim()

    assert.equal(await isRejected(directory.path), 'false')
    assert.equal(await version(), `node-bootstrap ${VERSION}`)

    await truncate(cache, 1000)
    assert.equal(await version(), `node-bootstrap ${VERSION}`)

    await rm(cache)
    assert.equal(await version(), `node-bootstrap ${VERSION}`)
  })

  it('has the same code cache wherever it lies', async () => {
    await using here = await temporaryDirectory()
    await using there = await temporaryDirectory()
    await run(process.execPath, [script('build.ts'), here.path])
    await cp(programPath(here.path), programPath(there.path))
    await Promise.all([compile(here.path), compile(there.path)])
    assert.deepEqual(await readFile(codeCachePath(here.path)), await readFile(codeCachePath(there.path)))
  })
})
