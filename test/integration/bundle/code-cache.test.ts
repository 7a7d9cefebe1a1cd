import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { rm, truncate } from 'node:fs/promises'
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

describe('the bundle', () => {
  it('starts with the code cache that was recorded for it, with a damaged one, and with none', async () => {
    await using directory = await temporaryDirectory()
    await run(process.execPath, [script('build.ts'), directory.path])
    await run(process.execPath, [script('code-cache.ts'), directory.path])
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
})
