import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { writeJoinConfiguration } from '../../harness/join-configuration.ts'
import { useTemporaryDirectory } from '../../harness/temporary-directory.ts'

describe('writeJoinConfiguration', () => {
  const directory = useTemporaryDirectory()
  const controlPlane = { endpoint: '127.0.0.1:6443', caCertHash: `sha256:${'0'.repeat(64)}` }

  it('keeps every file inside the directory, and merges overrides in', async () => {
    const written = await writeJoinConfiguration({
      directory: directory.path,
      controlPlane,
      token: 'abcdef.0123456789abcdef',
      overrides: { discovery: { timeout: undefined, token: { unsafeSkipCAVerification: true } } },
    })
    const document = parse(await readFile(written.path, 'utf8')) as Record<string, unknown>
    assert.deepEqual(document, written.document)
    assert.deepEqual(document['discovery'], {
      token: {
        endpoints: ['127.0.0.1:6443'],
        token: 'abcdef.0123456789abcdef',
        caCertHashes: [controlPlane.caCertHash],
        unsafeSkipCAVerification: true,
      },
    })
    for (const path of Object.values<string>({ ...written.files })) assert.ok(path.startsWith(directory.path))
  })
})
