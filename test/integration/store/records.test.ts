/** The state directory's files: what is written comes back, and what somebody else wrote is nothing. */
import assert from 'node:assert/strict'
import { lstat, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import { parseCertificates } from '../../../src/pki/certificate.ts'
import { createCertificateSigningRequest } from '../../../src/pki/certificate-signing-request.ts'
import { generatePrivateKey } from '../../../src/pki/private-key.ts'
import { readClusterRecord, writeClusterRecord } from '../../../src/store/cluster-record.ts'
import {
  readPendingRequest,
  readRefusal,
  removePendingRequest,
  writePendingRequest,
  writeRefusal,
} from '../../../src/store/pending-request.ts'
import { readStatusFile, writeStatusFile } from '../../../src/store/status-file.ts'
import { faultyFiles } from '../../harness/faulty-files.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../../harness/temporary-directory.ts'

describe('the state directory', () => {
  let temporary: TemporaryDirectory
  let directory: string
  beforeEach(async () => {
    temporary = await temporaryDirectory()
    directory = join(temporary.path, 'state')
  })
  afterEach(async () => {
    await temporary[Symbol.asyncDispose]()
  })
  const { files } = faultyFiles()
  const modeOf = async (path: string): Promise<number> => (await lstat(path)).mode & 0o7777
  /** Each key of a JSON object gone or of a wrong type, and other wholes. */
  const spoilt = (value: Record<string, unknown>): string[] => [
    '',
    'null',
    '[]',
    '{}',
    '"x"',
    '\0',
    JSON.stringify(value).slice(0, -1),
    ...Object.keys(value).flatMap((key) =>
      [undefined, null, 7, {}, 'x']
        .filter((wrong) => typeof wrong !== typeof value[key] || key === 'kind')
        .map((wrong) => JSON.stringify({ ...value, [key]: wrong })),
    ),
  ]

  describe('cluster.json', () => {
    const authorities = parseCertificates(
      createCertificateAuthority().certificatePem + createCertificateAuthority().certificatePem,
    )
    const record = {
      cluster: { server: new URL('https://[fd00::1]:6443/base'), authorities },
      evidence: { method: 'token' as const, source: 'a:1', tokenId: 'abcdef', verified: ['one', 'two'] },
      configurationDigest: 'digest',
      inputsDigest: 'sha256:c',
      document: { url: 'https://a/b?c', text: 'kind: Config', etag: '"1"', lastModified: undefined },
      verifiedAtMs: 1_700_000_000_123,
      approval: { reason: 'AutoApproved', afterMs: 1000 },
      hasJoined: true,
    }
    const path = (): string => join(directory, 'cluster.json')

    it('comes back with the largest document there can be, of characters that JSON writes with six', async () => {
      const text = '\u0001'.repeat(256 * 1024)
      await writeClusterRecord(files, directory, { ...record, document: { ...record.document, text } })
      assert.equal((await readClusterRecord(files, directory))?.document?.text, text)
    })

    it('comes back as it was written, and can be forgotten', async () => {
      assert.equal(await readClusterRecord(files, directory), undefined)
      await writeClusterRecord(files, directory, record)
      const read = await readClusterRecord(files, directory)
      assert.deepEqual(
        read?.cluster.authorities.map(({ fingerprint }) => fingerprint),
        authorities.map(({ fingerprint }) => fingerprint),
      )
      assert.deepEqual(
        { ...read, cluster: read.cluster.server.href },
        { ...record, cluster: record.cluster.server.href },
      )
      assert.deepEqual([await modeOf(path()), await modeOf(directory)], [0o600, 0o700])
    })

    it('is nothing where it is not such a record', async () => {
      await writeClusterRecord(files, directory, record)
      const good = {
        server: 'https://a',
        certificateAuthority: createCertificateAuthority().certificatePem,
        evidence: record.evidence,
        configurationDigest: 'd',
        inputsDigest: 'i',
        verifiedAt: '2026-01-01T00:00:00Z',
      }
      const bad = [
        ...spoilt(good),
        ...[
          { server: 'http://a' },
          { server: 'a' },
          { certificateAuthority: 'x' },
          { certificateAuthority: '' },
          { verifiedAt: 'x' },
          { evidence: { ...good.evidence, method: 'guess' } },
          { evidence: { method: 'token' } },
        ].map((change) => JSON.stringify({ ...good, ...change })),
      ]
      for (const text of bad) {
        await writeFile(path(), text)
        assert.equal(await readClusterRecord(files, directory), undefined, text)
      }
      await writeFile(path(), JSON.stringify(good))
      assert.equal((await readClusterRecord(files, directory))?.hasJoined, false)
    })

    it('throws nothing, whatever JSON it is', async () => {
      const fields = fc.record(
        {
          server: fc.oneof(fc.webUrl({ validSchemes: ['https', 'http'] }), fc.jsonValue()),
          certificateAuthority: fc.oneof(fc.constant(createCertificateAuthority().certificatePem), fc.jsonValue()),
          evidence: fc.oneof(
            fc.record({ method: fc.constantFrom('token', 'x'), source: fc.string(), verified: fc.jsonValue() }),
            fc.jsonValue(),
          ),
          configurationDigest: fc.oneof(fc.string(), fc.jsonValue()),
          verifiedAt: fc.oneof(fc.constant('2026-01-01T00:00:00Z'), fc.jsonValue()),
        },
        { requiredKeys: [] },
      )
      const reading = (text: string) => ({ ...files, read: () => Promise.resolve(Buffer.from(text)) })
      await fc.assert(
        fc.asyncProperty(fc.oneof(fields, fc.jsonValue()), async (value) => {
          const read = await readClusterRecord(reading(JSON.stringify(value)), directory)
          assert(read === undefined || read.cluster.server.protocol === 'https:')
        }),
      )
    })
  })

  describe('pending-request.pem', () => {
    async function pendingRequest() {
      const key = await generatePrivateKey('ECDSA-P256')
      const request = createCertificateSigningRequest(key, {
        commonName: 'system:node:a',
        organizations: ['system:nodes'],
      })
      return {
        key,
        request,
        name: 'node-csr-abc_-',
        usages: ['digital signature', 'client auth'],
        expirationSeconds: 600,
        names: undefined,
        unsentSince: undefined,
      }
    }
    const path = (): string => join(directory, 'pending-request.pem')

    it('comes back as it was written, with and without a lifetime', async () => {
      assert.equal(await readPendingRequest(files, directory), undefined)
      for (const expirationSeconds of [600, undefined]) {
        const pending = { ...(await pendingRequest()), expirationSeconds }
        await writePendingRequest(files, directory, pending)
        const read = await readPendingRequest(files, directory)
        assert(read?.key.equals(pending.key))
        assert.deepEqual({ ...read, key: undefined }, { ...pending, key: undefined })
        assert.deepEqual([await modeOf(path()), await modeOf(directory)], [0o600, 0o700])
      }
    })

    it('comes back with since when it was not sent, and without that where it cannot be read', async () => {
      const unsentSince = { bootId: '52e41e88-7350-4bea-87b5-940bc4898a91', monotonicMs: 4_711_000 }
      await writePendingRequest(files, directory, { ...(await pendingRequest()), unsentSince })
      assert.deepEqual((await readPendingRequest(files, directory))?.unsentSince, unsentSince)
      const text = String(await files.read(path(), 10_000))
      await writeFile(path(), text.replace('4711000 ms', 'soon'))
      const read = await readPendingRequest(files, directory)
      assert.deepEqual([read?.name, read?.unsentSince], ['node-csr-abc_-', undefined])
    })

    it('is nothing where any part of it is missing, or it is cut off', async () => {
      await writePendingRequest(files, directory, await pendingRequest())
      const text = String(await files.read(path(), 10_000))
      const [header = '', ...rest] = text.split('\n')
      for (const bad of [
        '',
        'x',
        rest.join('\n'),
        text.replace(/-----BEGIN PRIVATE[^]*?PRIVATE KEY-----\n/, ''),
        text.replace(/-----BEGIN CERTIFICATE REQUEST[^]*/, ''),
        text.replace(/(BEGIN PRIVATE KEY-----\n).{8}/, '$1AAAAAAAA'),
        `${header.replace('600', '-1')}\n${rest.join('\n')}`,
        `${header.replace(/usages: [^,]*/, 'usages: ')}\n${rest.join('\n')}`,
        ...Array.from({ length: 20 }, (_, index) => text.slice(0, Math.floor((text.length / 20) * index))),
      ]) {
        await writeFile(path(), bad)
        assert.equal(await readPendingRequest(files, directory), undefined, bad)
      }
    })

    it('throws nothing, whatever the bytes', async () => {
      await writePendingRequest(files, directory, await pendingRequest())
      const text = String(await files.read(path(), 10_000))
      const change = fc.tuple(fc.nat(text.length), fc.string({ maxLength: 3 }))
      const reading = (bytes: Uint8Array) => ({ ...files, read: () => Promise.resolve(bytes) })
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(
            fc.uint8Array(),
            change.map(([at, put]) => Buffer.from(text.slice(0, at) + put + text.slice(at))),
          ),
          async (bytes) => {
            await readPendingRequest(reading(bytes), directory)
          },
        ),
      )
    })

    it('goes before its refusal, so that a crash between never asks again', async () => {
      await writePendingRequest(files, directory, await pendingRequest())
      await writeRefusal(files, directory, {
        kind: 'denied',
        name: 'n',
        reason: 'r',
        message: 'm',
        atMs: 1,
        configurationDigest: 'd',
        count: 1,
      })
      const { files: recorded, effects } = faultyFiles()
      await removePendingRequest(recorded, directory)
      assert.deepEqual(
        effects.filter((effect) => effect.startsWith('remove')),
        ['remove pending-request.pem', 'remove refusal.json'],
      )
      assert.deepEqual(await readdir(directory), [])
    })
  })

  describe('refusal.json', () => {
    const refusal = {
      kind: 'denied',
      name: 'n',
      reason: 'r',
      message: 'm',
      atMs: 1,
      configurationDigest: 'd',
      count: 2,
    } as const

    it('comes back as it was written', async () => {
      assert.equal(await readRefusal(files, directory), undefined)
      for (const kind of ['denied', 'failed', 'unusable'] as const) {
        await writeRefusal(files, directory, { ...refusal, kind })
        assert.deepEqual(await readRefusal(files, directory), { ...refusal, kind })
      }
    })

    it('is nothing where it is not such a record', async () => {
      await writeRefusal(files, directory, refusal)
      for (const text of spoilt(refusal)) {
        await writeFile(join(directory, 'refusal.json'), text)
        assert.equal(await readRefusal(files, directory), undefined, text)
      }
    })
  })

  describe('status.json', () => {
    it('comes back as it was written, for anyone to read', async () => {
      assert.equal(await readStatusFile(files, directory), undefined)
      await writeStatusFile(files, directory, { a: 1 })
      assert.deepEqual(await readStatusFile(files, directory), { a: 1 })
      assert.equal(await modeOf(join(directory, 'status.json')), 0o644)
      await writeFile(join(directory, 'status.json'), '{')
      assert.equal(await readStatusFile(files, directory), undefined)
    })
  })
})
