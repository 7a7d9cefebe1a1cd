import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import { clusterInfoKubeconfig } from '../../../src/dev-cluster/cluster-info.ts'
import type { DevCluster } from '../../../src/dev-cluster/dev-cluster.ts'
import { EXIT } from '../../../src/lib/error-codes.ts'
import { assertEndedWith, createScene, itConcurrently } from './scene.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const DAY_MS = 86_400_000

describe('a bad pin', () => {
  const rows = [
    {
      name: 'of another key is told with what would have matched',
      pin: () => `sha256:${'0'.repeat(64)}`,
      code: 'pin-mismatch',
      exit: EXIT.protocol,
    },
    {
      name: 'over the certificate instead of its key is told as that',
      pin: ({ ca }: DevCluster) => `sha256:${sha256(ca.certificateDer)}`,
      code: 'pin-hashes-certificate',
      exit: EXIT.config,
    },
  ] as const
  itConcurrently(rows, async ({ pin, code, exit }) => {
    await using scene = await createScene({ veteran: true })
    const { cluster } = scene
    await scene.configure({ discovery: { token: { caCertHashes: [pin(cluster)] }, timeout: '1s' } })
    const before = await scene.snapshot()
    const outcome = await scene.once()
    assertEndedWith(outcome, code, exit)
    assert.equal(outcome.problems.length, 1)
    if (code === 'pin-mismatch') assert.ok(outcome.problems[0]?.message.includes(cluster.caCertHash))
    assert.equal(cluster.requests.length, 1)
    assert.equal(cluster.requests[0]?.hasAuthorization, false)
    assert.deepEqual(await scene.snapshot(), before)
  })

  it('too short is refused before anything is asked', async () => {
    await using scene = await createScene({
      overrides: { discovery: { token: { caCertHashes: ['sha256:abcdef'] } } },
      veteran: true,
    })
    const before = await scene.snapshot()
    const { exit, text } = await scene.once()
    assert.equal(exit.code, EXIT.config)
    assert.match(text, /join\.yaml:\d+:\d+.*caCertHashes[^]*\(config-invalid\) \S/)
    assert.equal(scene.cluster.connections, 0)
    assert.deepEqual(await scene.snapshot(), before)
  })
})

describe('a bad cluster-info', () => {
  const withCa = (data: string) => (kubeconfig: string) =>
    kubeconfig.replace(/(certificate-authority-data: ).*/, `$1${data}`)
  const rows = [
    {
      name: 'without a CA',
      change: (kubeconfig: string) => kubeconfig.replace(/ *certificate-authority-data: .*\n/, ''),
      code: 'ca-missing',
    },
    {
      name: 'with a CA that is no PEM',
      change: withCa(Buffer.from('garbage').toString('base64')),
      code: 'ca-malformed',
    },
    { name: 'with a CA that is no base64', change: withCa('"%%%"'), code: 'ca-malformed' },
    {
      name: 'with a PEM block that is no certificate',
      change: withCa(
        Buffer.from('-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n').toString('base64'),
      ),
      code: 'ca-malformed',
    },
    { name: 'whose kubeconfig is no YAML', change: () => '{{{', code: 'cluster-info-malformed' },
    { name: 'whose kubeconfig is of no cluster', change: () => 'kind: Config\n', code: 'cluster-info-malformed' },
    {
      name: 'whose server is no https URL',
      change: (kubeconfig: string) => kubeconfig.replace('https://', 'http://'),
      code: 'cluster-info-malformed',
    },
  ] as const
  itConcurrently(rows, async ({ change, code }) => {
    await using scene = await createScene({ veteran: true })
    const { cluster } = scene
    cluster.patchClusterInfo((data) => ({ ...data, kubeconfig: change(data['kubeconfig'] ?? '') }), { sign: true })
    const before = await scene.snapshot()
    assertEndedWith(await scene.once(), code, EXIT.protocol)
    assert.ok(!cluster.requests.some(({ hasAuthorization }) => hasAuthorization), 'a credential was sent')
    assert.deepEqual(await scene.snapshot(), before)
  })

  it('without a kubeconfig, or with a signature of another form, is told as that', async () => {
    await using scene = await createScene({ veteran: true })
    const { cluster, token } = scene
    const before = await scene.snapshot()
    cluster.patchClusterInfo((data) => ({ ...data, [`jws-kubeconfig-${token.slice(0, 6)}`]: 'a.b.c' }))
    assertEndedWith(await scene.once(), 'signature-malformed', EXIT.protocol)
    cluster.patchClusterInfo(() => ({}))
    assertEndedWith(await scene.once(), 'cluster-info-malformed', EXIT.protocol)
    assert.deepEqual(await scene.snapshot(), before)
  })

  it('with two CAs, one of them pinned, is joined, and ca.crt has both', async () => {
    await using scene = await createScene()
    const { cluster } = scene
    const bundle = cluster.caPem + createCertificateAuthority({ commonName: 'the next one' }).certificatePem
    cluster.patchClusterInfo(
      (data) => ({ ...data, kubeconfig: clusterInfoKubeconfig(`https://${cluster.endpoint}`, bundle) }),
      {
        sign: true,
      },
    )
    const { exit, text } = await scene.once()
    assert.equal(exit.code, EXIT.ok, text)
    assert.ok((await readFile(scene.files.ca, 'utf8')).endsWith(`\n${bundle}`))
  })
})

describe("a bad server's certificate", () => {
  const rows = [
    {
      name: 'for other names',
      options: { commonName: 'kube-apiserver', dnsNames: ['kubernetes'], ipAddresses: ['10.96.0.1'] },
      code: 'server-name-mismatch',
      message: /10\.96\.0\.1/,
    },
    {
      name: 'with nothing but a common name',
      options: { commonName: '127.0.0.1' },
      code: 'server-name-mismatch',
      message: /no subjectAltName/,
    },
    {
      name: 'that has expired',
      options: { ipAddresses: ['127.0.0.1'], notBeforeMs: Date.now() - 2 * DAY_MS, notAfterMs: Date.now() - DAY_MS },
      code: 'server-certificate-expired',
      message: /expired/,
    },
    {
      name: 'that is not valid yet',
      options: { ipAddresses: ['127.0.0.1'], notBeforeMs: Date.now() + DAY_MS, notAfterMs: Date.now() + 2 * DAY_MS },
      code: 'server-certificate-not-yet-valid',
      message: /not valid yet/,
    },
    {
      name: 'of another CA',
      options: { ipAddresses: ['127.0.0.1'], ca: createCertificateAuthority() },
      code: 'server-untrusted',
      message: /did not sign/,
    },
    {
      name: 'for clients',
      options: { ipAddresses: ['127.0.0.1'], extendedKeyUsages: ['clientAuth'] },
      code: 'server-untrusted',
      message: /did not sign/,
    },
  ] as const
  itConcurrently(rows, async ({ options, code, message }) => {
    await using scene = await createScene({ veteran: true })
    const { cluster } = scene
    const ca = 'ca' in options ? options.ca : cluster.ca
    cluster.useServerCertificate(ca.issue({ extendedKeyUsages: ['serverAuth'], ...options }))
    const before = await scene.snapshot()
    const outcome = await scene.once()
    assertEndedWith(outcome, code, EXIT.protocol)
    for (const problem of outcome.problems) assert.match(problem.message, message)
    assert.ok(!cluster.requests.some(({ hasAuthorization }) => hasAuthorization), 'a credential was sent')
    assert.deepEqual(await scene.snapshot(), before)
  })
})
