import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, readlink, stat, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { generatePrivateKey, privateKeyFromPem, subjectPublicKeyInfo } from '../../../src/pki/private-key.ts'
import {
  currentPairPath,
  installPair,
  readCurrentPair,
  readDatedPairs,
  staleFiles,
  type PairPlace,
} from '../../../src/store/certificate-pair.ts'
import { Crash, faultyFiles } from '../../harness/faulty-files.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../../harness/temporary-directory.ts'

const authority = createCertificateAuthority()
const AT_MS = Date.UTC(2026, 10, 23, 19, 48, 22, 999)
const HOUR_MS = 3_600_000

async function issue(commonName = 'system:node:a') {
  const key = await generatePrivateKey('ECDSA-P256')
  const { certificatePem } = authority.issue({ commonName, subjectPublicKeyInfo: subjectPublicKeyInfo(key) })
  return { chainPem: certificatePem, key }
}

describe('the client identity on disk', () => {
  let temporary: TemporaryDirectory
  let directory: string
  let place: PairPlace
  let current: string
  beforeEach(async () => {
    temporary = await temporaryDirectory()
    directory = temporary.path
    place = { directory, stem: 'kubelet-client' }
    current = currentPairPath(place)
  })
  afterEach(async () => {
    await temporary[Symbol.asyncDispose]()
  })
  const { files } = faultyFiles()
  const install = async (identity: Awaited<ReturnType<typeof issue>>, atMs = AT_MS, on = files): Promise<string> =>
    await installPair(on, place, identity.chainPem, identity.key, atMs)
  async function loadedKey() {
    const read = await readCurrentPair(files, place)
    assert(read.kind === 'pair', JSON.stringify(read))
    return read.pair.key
  }

  it('is a dated file of mode 0600, certificate before key, and a link to it', async () => {
    const identity = await issue()
    const path = await install(identity)
    assert.equal(path, join(directory, 'kubelet-client-2026-11-23-19-48-22.pem'))
    assert.equal(await readlink(current), path)
    assert.equal((await stat(path)).mode & 0o7777, 0o600)
    assert.match(await readFile(path, 'utf8'), /^-----BEGIN CERTIFICATE[^]*-----BEGIN PRIVATE KEY[^]*KEY-----\n$/)
    assert.deepEqual((await readdir(directory)).length, 2)
  })

  it('comes back whole: leaf, intermediates, key, and when the file was written', async () => {
    const identity = await issue()
    const path = await install({ ...identity, chainPem: identity.chainPem + authority.certificatePem })
    await utimes(path, 1_000_000, 1_000_000)
    const read = await readCurrentPair(files, place)
    assert(read.kind === 'pair')
    const { pair } = read
    assert.deepEqual(pair.certificate.commonNames, ['system:node:a'])
    assert.equal(pair.intermediates.length, 1)
    assert(pair.key.equals(identity.key))
    assert.equal(pair.chainPem, identity.chainPem + authority.certificatePem)
    assert.equal(pair.writtenAtMs, 1_000_000_000)
  })

  it('is read as the kubelet writes it: an EC key in its own form, through a link to a name alone', async () => {
    const identity = await issue()
    const sec1 = String(identity.key.export({ type: 'sec1', format: 'pem' }))
    await writeFile(join(directory, 'kubelet-client-x.pem'), identity.chainPem + sec1)
    await symlink('kubelet-client-x.pem', current)
    assert((await loadedKey()).equals(identity.key))
  })

  it('is read from a plain file as well', async () => {
    const identity = await issue()
    await writeFile(current, await readFile(await install(identity)))
    assert((await loadedKey()).equals(identity.key))
  })

  it('is absent where nothing is, not even the directory', async () => {
    assert.deepEqual(await readCurrentPair(files, place), { kind: 'absent' })
    assert.deepEqual(await readCurrentPair(files, { ...place, directory: join(directory, 'none') }), { kind: 'absent' })
  })

  it('is broken where the link leads nowhere', async () => {
    await symlink(join(directory, 'gone.pem'), current)
    assert.deepEqual(await readCurrentPair(files, place), { kind: 'broken', fault: 'link-dangling' })
  })

  it('is broken wherever a crash of another program may have cut the file', async () => {
    const text = await readFile(await install(await issue()), 'utf8')
    await unlink(current)
    for (let length = 0; length < text.length - 1; length += 7) {
      await writeFile(current, text.slice(0, length))
      assert.equal((await readCurrentPair(files, place)).kind, 'broken', `${length} bytes`)
    }
  })

  for (const [name, content, fault] of [
    ['words', () => 'hello', 'private-key-unreadable'],
    ['a key of another certificate', async () => (await issue()).chainPem + pemOf((await issue()).key), 'key-mismatch'],
    ['no certificate', async () => pemOf((await issue()).key), 'certificate-unreadable'],
    [
      'a damaged certificate',
      async () => (await issue()).chainPem.replace('MII', 'AAA') + pemOf((await issue()).key),
      'certificate-unreadable',
    ],
    ['no key', async () => (await issue()).chainPem, 'private-key-unreadable'],
  ] as const)
    it(`is broken with ${name}`, async () => {
      await writeFile(current, await content())
      const read = await readCurrentPair(files, place)
      assert(read.kind === 'broken')
      assert.equal(read.fault, fault)
    })

  it('cannot be read where a directory is in its place: that is the file system’s to say', async () => {
    await mkdir(current)
    await assert.rejects(readCurrentPair(files, place), (thrown) => thrown instanceof BootstrapError)
  })

  it('replaces a plain file and a dangling link', async () => {
    const identity = await issue()
    await writeFile(current, 'rubbish')
    await install(identity)
    assert((await loadedKey()).equals(identity.key))
    await unlink(current)
    await symlink('/nowhere', current)
    await install(identity)
    assert((await loadedKey()).equals(identity.key))
  })

  it('never overwrites a dated file, within one second, too', async () => {
    const identities = [await issue(), await issue()]
    const paths = []
    for (const identity of identities) paths.push(await install(identity))
    assert.equal(new Set(paths).size, 2)
    for (const [index, path] of paths.entries())
      assert(
        privateKeyFromPem(/-----BEGIN PRIVATE[^]*/.exec(await readFile(path, 'utf8'))?.[0] ?? '')?.equals(
          identities[index]?.key ?? (await issue()).key,
        ),
      )
  })

  it('keeps the last two dated files, and every file that is another’s', async () => {
    const others = [
      'kubelet.crt',
      'kubelet.key',
      'kubelet-server-2020-01-01-00-00-00.pem',
      'kubelet-client-old.pem',
      'kubelet-client-2020-01-01-00-00-00.pem.bak',
    ]
    for (const name of others) await writeFile(join(directory, name), 'x')
    const paths = []
    for (let hour = 0; hour < 5; hour += 1) paths.push(await install(await issue(), AT_MS + hour * HOUR_MS))
    const expected = [...others.map((name) => join(directory, name)), ...paths.slice(-2), current]
    assert.deepEqual(
      (await readdir(directory)).map((name) => join(directory, name)),
      expected.toSorted(),
    )
  })

  it('keeps the one before, too, where both are of the same second', async () => {
    const paths = []
    for (let count = 0; count < 4; count += 1) paths.push(await install(await issue()))
    const left = (await readdir(directory)).map((name) => join(directory, name)).filter((path) => path !== current)
    assert.deepEqual(left.toSorted(), paths.slice(-2).toSorted())
  })

  it('lets alone what has the name of a dated file and can be none, and keeps nothing up for it', async () => {
    await promisify(execFile)('mkfifo', [join(directory, 'kubelet-client-2020-01-01-00-00-00.pem')])
    await mkdir(join(directory, 'kubelet-client-2020-01-02-00-00-00.pem'))
    await writeFile(join(directory, 'kubelet-client-2020-01-03-00-00-00.pem'), Buffer.alloc(2 ** 21), { mode: 0o600 })
    await symlink('/nowhere', join(directory, 'kubelet-client-2020-01-04-00-00-00.pem'))
    const others = await readdir(directory)
    const path = await install(await issue())
    assert.deepEqual(await readdir(directory), [...others, basename(path), basename(current)])
    assert.deepEqual(await staleFiles(files, place, path), [])
    assert.equal((await readDatedPairs(files, place)).pairs.length, 1)
  })

  it('uses a dated file of this content that a crash left, in place of a second one', async () => {
    const identity = await issue()
    // Directory, remains, creation, renaming, syncing: the file is there, the link is not.
    await assert.rejects(install(identity, AT_MS, faultyFiles(5).files), Crash)
    assert.equal((await readdir(directory)).length, 1)
    const path = await install(identity, AT_MS + HOUR_MS)
    assert.equal(path, join(directory, 'kubelet-client-2026-11-23-19-48-22.pem'))
    assert.equal((await readdir(directory)).length, 2)
  })

  it('is loadable after a crash before any single effect of a renewal, and installed by the next try', async () => {
    const { effects, files: counting } = faultyFiles()
    for (let hour = 0; hour < 3; hour += 1) await install(await issue(), AT_MS + hour * HOUR_MS)
    await install(await issue(), AT_MS + 3 * HOUR_MS, counting)
    assert(effects.some((effect) => effect.startsWith('remove kubelet-client-')))
    for (let effectsLeft = 0; effectsLeft < effects.length; effectsLeft += 1) {
      const before = await loadedKey()
      const renewed = await issue()
      const atMs = AT_MS + (10 + effectsLeft) * HOUR_MS
      await assert.rejects(install(renewed, atMs, faultyFiles(effectsLeft).files), Crash)
      const after = await loadedKey()
      assert(after.equals(before) || after.equals(renewed.key), `after ${effectsLeft} effects`)
      await install(renewed, atMs + 1000)
      assert((await loadedKey()).equals(renewed.key))
      assert.equal((await readdir(directory)).length, 3)
    }
  }).timeout(20_000)
})

const pemOf = (key: Awaited<ReturnType<typeof generatePrivateKey>>): string =>
  String(key.export({ type: 'pkcs8', format: 'pem' }))
