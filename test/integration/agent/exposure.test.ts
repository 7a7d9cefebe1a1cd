/** Who else can read a file with a secret, or write what is trusted: modes, directories and links of a real file system. */
import assert from 'node:assert/strict'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Files } from '../../../src/lib/ports.ts'
import type { Exposure, WritablePlace } from '../../../src/findings/trade-offs.ts'
import { nodeFiles } from '../../../src/adapters/files.ts'
import { exposures } from '../../../src/agent/exposure.ts'
import { localKubeconfig } from '../../../src/agent/local-kubeconfig.ts'
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

const exposuresOf = async (files: Files, configuration: JoinConfiguration, path: string): Promise<Exposure[]> =>
  exposures(files, configuration, path, await localKubeconfig(files, configuration))

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
      assert.deepEqual(await exposuresOf(nodeFiles, inline, path), expected)
    })

  it('is looked at behind links, of the file and of its directory', async () => {
    const path = await file('secret', 0o644)
    await symlink('etc', join(directory.path, 'door'))
    await symlink('door/secret', join(directory.path, 'token'))
    const link = join(directory.path, 'token')
    const configuration = configured({ tokenFile: link })
    assert.deepEqual(await exposuresOf(nodeFiles, configuration, '/nowhere'), [
      { path: link, mode: 0o644, readableBy: 'all' },
    ])
    await chmod(path, 0o600)
    assert.deepEqual(await exposuresOf(nodeFiles, configuration, '/nowhere'), [])
  })

  it('are of every file with a secret, each once, and of no other', async () => {
    const path = await file('join.yaml', 0o644)
    const tokenFile = await file('token', 0o644)
    const paths = async (configuration: JoinConfiguration): Promise<string[]> =>
      (await exposuresOf(nodeFiles, configuration, path)).map((exposure) => exposure.path)
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
      return (await exposuresOf(nodeFiles, result.configuration, '/nowhere')).map((exposure) => exposure.path)
    }
    assert.deepEqual(await paths(undefined), [])
    assert.deepEqual(await paths({ token: 'a-token' }), [path])
    assert.deepEqual(await paths({ 'client-certificate': 'node.crt', 'client-key': 'node.key' }), [key])
    assert.deepEqual(await paths({ exec: {} }), [])
  })

  it('say nothing of a file that is not there', async () => {
    assert.deepEqual(await exposuresOf(nodeFiles, configured({ tokenFile: '/does/not/exist' }), '/nowhere'), [])
  })
})

describe('exposures of what is trusted', () => {
  const directory = useTemporaryDirectory()
  const at = (name: string): string => join(directory.path, name)

  /** Which of them belong to somebody else, who is made up: to give a file away takes root. */
  const ownedElsewhere = (names: readonly string[]): Files => ({
    ...nodeFiles,
    stat: async (path) => {
      const facts = await nodeFiles.stat(path)
      return facts && { ...facts, isOthers: names.some((name) => at(name) === path) }
    },
  })

  /** Modes by path; a name with a slash at its end is a directory. What is written is found for join.yaml and this caFile. */
  async function found(
    modes: Readonly<Record<string, number>>,
    caFile = 'etc/ca.crt',
    files: Files = nodeFiles,
  ): Promise<unknown[]> {
    await chmod(directory.path, 0o755)
    for (const [name, mode] of Object.entries(modes)) {
      if (name.endsWith('/')) await mkdir(at(name))
      else await writeFile(at(name), '')
      await chmod(at(name), mode)
    }
    const { files: paths, ...rest } = configured({ tokenCredential: 'token', caFile: at(caFile) })
    const configuration = { ...rest, files: { ...paths, state: at('state'), certificates: at('pki') } }
    return (await exposuresOf(files, configuration, at('etc/join.yaml'))).map((exposure) => {
      const { path, leadsTo, writableBy } = exposure as WritablePlace
      return [path, leadsTo].map((each) => each.slice(directory.path.length + 1)).concat(writableBy)
    })
  }

  const good = { 'etc/': 0o755, 'etc/join.yaml': 0o644, 'etc/ca.crt': 0o444 }
  const rows: readonly [sentence: string, modes: Readonly<Record<string, number>>, expected: string[][]][] = [
    ['are none where only the owner may write', good, []],
    ['are a file for everybody', { ...good, 'etc/ca.crt': 0o666 }, [['etc/ca.crt', 'etc/ca.crt', 'all']]],
    ['are a file for its group', { ...good, 'etc/join.yaml': 0o664 }, [['etc/join.yaml', 'etc/join.yaml', 'group']]],
    ['are a directory, once for all in it', { ...good, 'etc/': 0o777 }, [['etc', 'etc/join.yaml', 'all']]],
    ['are a directory for its group', { ...good, 'etc/': 0o775 }, [['etc', 'etc/join.yaml', 'group']]],
    ['are no directory that others may not pass', { ...good, 'etc/': 0o722 }, []],
    ['are no file behind such a one', { ...good, 'etc/': 0o700, 'etc/ca.crt': 0o666 }, []],
    ['are no sticky directory where the file is there', { ...good, 'etc/': 0o1777 }, []],
    [
      'are a sticky directory where others may put the file',
      { 'etc/': 0o1777, 'etc/join.yaml': 0o644 },
      [['etc', 'etc/ca.crt', 'all']],
    ],
    [
      'are where state and keys are kept',
      { ...good, 'state/': 0o777, 'pki/': 0o775 },
      [
        ['state', 'state', 'all'],
        ['pki', 'pki', 'group'],
      ],
    ],
  ]
  for (const [sentence, modes, expected] of rows)
    it(sentence, async () => {
      assert.deepEqual(await found(modes), expected)
    })

  it('are named in full, however join.yaml was named', async () => {
    const path = at('join.yaml')
    await chmod(directory.path, 0o755)
    await writeFile(path, '')
    await chmod(path, 0o666)
    const configuration = configured({ tokenCredential: 'token' })
    const [exposure] = await exposuresOf(nodeFiles, configuration, relative('.', path))
    assert.deepEqual(exposure, { path, mode: 0o666, writableBy: 'all', leadsTo: path })
  })

  it('are also the directory that holds the link of another one on the way', async () => {
    await mkdir(at('door'))
    await symlink('../srv', at('door/room'))
    await chmod(at('door'), 0o777)
    const modes = { 'etc/': 0o755, 'etc/join.yaml': 0o644, 'srv/': 0o755, 'srv/ca.crt': 0o644 }
    assert.deepEqual(await found(modes, 'door/room/ca.crt'), [['door', 'door/room/ca.crt', 'all']])
  })

  it('are also what a link goes through, and where it ends', async () => {
    await mkdir(at('door'))
    await chmod(at('door'), 0o777)
    await symlink('../srv/ca.crt', at('door/ca.crt'))
    const modes = { 'etc/': 0o755, 'etc/join.yaml': 0o644, 'srv/': 0o755, 'srv/ca.crt': 0o646 }
    assert.deepEqual(await found(modes, 'door/ca.crt'), [
      ['door', 'door/ca.crt', 'all'],
      ['srv/ca.crt', 'door/ca.crt', 'all'],
    ])
  })

  const owned: readonly [sentence: string, modes: Readonly<Record<string, number>>, string[], expected: string[][]][] =
    [
      ['are a file of another user', good, ['etc/ca.crt'], [['etc/ca.crt', 'etc/ca.crt', 'owner']]],
      ['are a directory of another user', good, ['etc'], [['etc', 'etc/join.yaml', 'owner']]],
      ['are a sticky one too', { ...good, 'etc/': 0o1777 }, ['etc'], [['etc', 'etc/join.yaml', 'owner']]],
      ['are no file of another user who cannot come there', { ...good, 'etc/': 0o700 }, ['etc/ca.crt'], []],
      [
        'are a file of another user who may be in the group of its directory',
        { ...good, 'etc/': 0o710 },
        ['etc/ca.crt'],
        [['etc/ca.crt', 'etc/ca.crt', 'owner']],
      ],
      [
        'are everybody’s before they are their owner’s',
        { ...good, 'etc/ca.crt': 0o666 },
        ['etc/ca.crt'],
        [['etc/ca.crt', 'etc/ca.crt', 'all']],
      ],
      [
        'are where another user keeps state and keys',
        { ...good, 'state/': 0o700 },
        ['state'],
        [['state', 'state', 'owner']],
      ],
    ]
  for (const [sentence, modes, others, expected] of owned)
    it(sentence, async () => {
      assert.deepEqual(await found(modes, 'etc/ca.crt', ownedElsewhere(others)), expected)
    })

  for (const [mode, expected] of [
    [0o755, []],
    [0o1777, [['door/ca.crt', 'door/ca.crt', 'owner']]],
  ] as const)
    it(`are ${expected.length === 0 ? 'no' : 'a'} link of another user in a directory of mode 0${mode.toString(8)}`, async () => {
      await mkdir(at('door'))
      await chmod(at('door'), mode)
      await symlink('../etc/ca.crt', at('door/ca.crt'))
      assert.deepEqual(await found(good, 'door/ca.crt', ownedElsewhere(['door/ca.crt'])), expected)
    })
})
