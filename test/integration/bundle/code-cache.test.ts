import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Script } from 'node:vm'
import { codeCachePath, programPath } from '../../../scripts/code-cache-paths.ts'
import { VERSION } from '../../../src/lib/version.ts'
import { temporaryDirectory } from '../../harness/temporary-directory.ts'

const run = promisify(execFile)
const script = (name: string): string => join(import.meta.dirname, '../../../scripts', name)

describe('the bundle', () => {
  it('starts with the code cache that was recorded for it, with a damaged one, and with none', async () => {
    await using directory = await temporaryDirectory()
    await run(process.execPath, [script('build.ts'), directory.path])
    await run(process.execPath, [script('code-cache.ts'), directory.path])
    const cache = codeCachePath(directory.path)
    const version = async (): Promise<string> =>
      (await run(process.execPath, [join(directory.path, 'node-bootstrap.cjs'), 'version'])).stdout.trim()

    const source = await readFile(programPath(directory.path), 'latin1')
    const compiled = new Script(source, { filename: programPath(directory.path), cachedData: await readFile(cache) })
    assert.equal(compiled.cachedDataRejected, false)
    assert.equal(await version(), `node-bootstrap ${VERSION}`)

    await truncate(cache, 1000)
    assert.equal(await version(), `node-bootstrap ${VERSION}`)

    await rm(cache)
    assert.equal(await version(), `node-bootstrap ${VERSION}`)
  })
})
