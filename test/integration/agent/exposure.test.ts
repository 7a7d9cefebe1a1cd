/** Who else can read a file with a secret: modes, directories and links of a real file system. */
import assert from 'node:assert/strict'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeFiles } from '../../../src/adapters/files.ts'
import { exposures } from '../../../src/agent/exposure.ts'
import { parseConfiguration, type JoinConfiguration } from '../../../src/config/index.ts'
import { useTemporaryDirectory } from '../../harness/temporary-directory.ts'

function configured(token: object, bootstrap: object = {}): JoinConfiguration {
  const document = {
    apiVersion: 'node-bootstrap/v1',
    kind: 'JoinConfiguration',
    discovery: { token: { endpoints: ['10.0.0.10:6443'], unsafeSkipCAVerification: true, ...token } },
    bootstrap,
  }
  const result = parseConfiguration(JSON.stringify(document), { file: 'join.yaml', hostName: 'host' })
  assert.ok('configuration' in result)
  return result.configuration
}

describe('exposures', () => {
  const directory = useTemporaryDirectory()
  const inDirectory = (name: string): string => join(directory.path, 'etc', name)
  const inline = configured({ token: 'abcdef.0123456789abcdef' })

  async function file(name: string, mode: number, directoryMode = 0o755): Promise<string> {
    await chmod(directory.path, 0o755)
    await mkdir(inDirectory('.'), { recursive: true })
    await writeFile(inDirectory(name), 'abcdef.0123456789abcdef\n')
    await chmod(inDirectory(name), mode)
    await chmod(inDirectory('.'), directoryMode)
    return inDirectory(name)
  }

  const rows = [
    { mode: 0o600, directoryMode: 0o755, readableBy: undefined },
    { mode: 0o644, directoryMode: 0o755, readableBy: 'all' },
    { mode: 0o604, directoryMode: 0o755, readableBy: 'all' },
    { mode: 0o640, directoryMode: 0o755, readableBy: 'group' },
    { mode: 0o640, directoryMode: 0o750, readableBy: 'group' },
    { mode: 0o644, directoryMode: 0o750, readableBy: 'group' },
    { mode: 0o644, directoryMode: 0o700, readableBy: undefined },
    { mode: 0o611, directoryMode: 0o755, readableBy: undefined },
  ] as const
  for (const { mode, directoryMode, readableBy } of rows)
    it(`a file of mode 0${mode.toString(8)} below 0${directoryMode.toString(8)} is readable by ${readableBy ?? 'nobody else'}`, async () => {
      const path = await file('join.yaml', mode, directoryMode)
      const expected = readableBy === undefined ? [] : [{ path, mode, readableBy }]
      assert.deepEqual(await exposures(nodeFiles, inline, path), expected)
    })

  it('is looked at behind links, of the file and of its directory', async () => {
    const path = await file('secret', 0o644)
    await symlink('etc', join(directory.path, 'door'))
    await symlink('door/secret', join(directory.path, 'token'))
    const link = join(directory.path, 'token')
    const configuration = configured({ tokenFile: link })
    assert.deepEqual(await exposures(nodeFiles, configuration, '/nowhere'), [
      { path: link, mode: 0o644, readableBy: 'all' },
    ])
    await chmod(path, 0o600)
    assert.deepEqual(await exposures(nodeFiles, configuration, '/nowhere'), [])
  })

  it('are of every file with a secret, each once, and of no other', async () => {
    const path = await file('join.yaml', 0o644)
    const tokenFile = await file('token', 0o644)
    const paths = async (configuration: JoinConfiguration): Promise<string[]> =>
      (await exposures(nodeFiles, configuration, path)).map((exposure) => exposure.path)
    assert.deepEqual(await paths(configured({ tokenFile })), [tokenFile])
    assert.deepEqual(await paths(configured({ tokenFile }, { tokenFile })), [tokenFile])
    assert.deepEqual(await paths(configured({ tokenFile }, { token: 'abcdef.0123456789abcdef' })), [tokenFile, path])
    assert.deepEqual(await paths(configured({ tokenCredential: 'token' })), [])
  })

  it('are of a kubeconfig that holds a credential, or of the file that it names', async () => {
    const path = await file('cluster-info.yaml', 0o644)
    const key = await file('node.key', 0o604)
    const discovery = { file: { path } }
    const document = { apiVersion: 'node-bootstrap/v1', kind: 'JoinConfiguration', discovery }
    const result = parseConfiguration(JSON.stringify(document), { file: 'join.yaml', hostName: 'host' })
    assert.ok('configuration' in result)
    const paths = async (user: object | undefined): Promise<string[]> => {
      const users = user === undefined ? {} : { users: [{ name: 'user', user }] }
      await writeFile(path, JSON.stringify({ clusters: [{ cluster: { server: 'https://a' } }], ...users }))
      return (await exposures(nodeFiles, result.configuration, '/nowhere')).map((exposure) => exposure.path)
    }
    assert.deepEqual(await paths(undefined), [])
    assert.deepEqual(await paths({ token: 'a-token' }), [path])
    assert.deepEqual(await paths({ 'client-certificate': 'node.crt', 'client-key': 'node.key' }), [key])
    assert.deepEqual(await paths({ exec: {} }), [])
  })

  it('say nothing of a file that is not there', async () => {
    assert.deepEqual(await exposures(nodeFiles, configured({ tokenFile: '/does/not/exist' }), '/nowhere'), [])
  })
})
