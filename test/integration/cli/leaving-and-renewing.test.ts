import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Fingerprints } from '../../../src/cli/fingerprint.ts'
import { EXIT } from '../../../src/lib/error-codes.ts'
import { spawnAgent } from '../../harness/agent-process.ts'
import { openssl } from '../../harness/joining-node.ts'
import { createScene, DEADLINE_MS, waitForJoin, waitForMessage, type Scene } from '../bad-input/scene.ts'

interface CommandResult {
  code: number | null
  stdout: string
  stderr: string
}

async function command(scene: Scene, ...args: string[]): Promise<CommandResult> {
  const agent = spawnAgent({ args, configPath: scene.path })
  const { code } = await agent.exited
  return { code, stdout: agent.stdout.join('\n'), stderr: agent.stderr.join('\n') }
}

const current = async ({ files }: Scene): Promise<X509Certificate> =>
  new X509Certificate(await readFile(join(files.certificates, 'kubelet-client-current.pem')))

/** The name of the request that nobody has decided yet. */
function undecided({ cluster }: Scene): string {
  const [only, ...others] = cluster
    .listCertificateSigningRequests()
    .filter(({ status }) => status.conditions === undefined)
  assert.ok(only !== undefined && others.length === 0)
  return only.metadata.name
}

describe('wait, renew, fingerprint and reset', function () {
  this.timeout(3 * DEADLINE_MS)

  it('follow a node from before its agent to its renewal, by its agent and without one', async () => {
    await using scene = await createScene()
    assert.equal((await command(scene, 'renew')).code, EXIT.temporary)
    assert.equal((await command(scene, 'fingerprint')).code, EXIT.temporary)
    const joining = command(scene, 'wait', '--for=joined', '--timeout', '60s')
    const agent = scene.daemon()
    const joined = await joining
    assert.equal(joined.code, EXIT.ok, joined.stderr)
    assert.match(joined.stdout, /^joined: the certificate is valid until \d{4}-/)
    const first = await current(scene)

    await using renewing = spawnAgent({ args: ['wait', '--for=renewed'], configPath: scene.path })
    await renewing.waitForLine(/^healthy: /, { timeoutMs: DEADLINE_MS })
    const byAgent = await command(scene, 'renew', '--timeout', '60s')
    assert.equal(byAgent.code, EXIT.ok, byAgent.stderr)
    assert.equal((await renewing.exited).code, EXIT.ok)
    const second = await current(scene)
    assert.notEqual(second.serialNumber, first.serialNumber)
    agent.kill()
    await agent.exited

    const unasked = await command(scene, 'renew', '--no-wait')
    assert.equal(unasked.code, EXIT.unavailable)
    assert.match(unasked.stderr, /no agent runs.*not-running/s)
    assert.ok(!(await readdir(scene.files.state)).includes('asked-renewal.json'), 'nothing is asked for')

    const alone = await command(scene, 'renew')
    assert.equal(alone.code, EXIT.ok, alone.stderr)
    const third = await current(scene)
    assert.notEqual(third.serialNumber, second.serialNumber)
    assert.ok(alone.stdout.endsWith(third.fingerprint256.replaceAll(':', '').toLowerCase()))
    assert.deepEqual(
      scene.cluster
        .listCertificateSigningRequests()
        .map(({ spec }) => spec.username.split(':')[1])
        .sort(),
      ['bootstrap', 'node', 'node'],
    )
  })

  it('say of a serving certificate that is not there yet how to come by it', async () => {
    await using scene = await createScene({ overrides: { certificate: { serving: {} } } })
    const { code, stderr } = await command(scene, 'renew', '--serving')
    assert.equal(code, EXIT.temporary)
    assert.match(
      stderr,
      /there is no serving certificate .*\(not-serving\) the agent asks for the first one by itself/s,
    )
  })

  it('ends a renewal that is denied with the status of a refusal, and keeps the certificate', async () => {
    await using scene = await createScene({ clusterOptions: { approval: 'manual' } })
    const agent = scene.daemon()
    await waitForMessage(agent, /the request waits for approval/)
    scene.cluster.approve(undecided(scene))
    await waitForJoin(agent)
    const before = await current(scene)
    const from = agent.lines.length
    const renewal = command(scene, 'renew', '--timeout', '60s')
    await waitForMessage(agent, /the request waits for approval/, from)
    scene.cluster.deny(undecided(scene), { reason: 'NotNow', message: 'not now' })
    const { code, stderr } = await renewal
    assert.equal(code, EXIT.refused, stderr)
    assert.match(stderr, /\(csr-denied\)/)
    assert.equal((await current(scene)).serialNumber, before.serialNumber)
  })

  it('prints the digits that openssl prints, of the key under way and of what is in force', async () => {
    await using scene = await createScene({ clusterOptions: { approval: 'manual' } })
    const agent = scene.daemon()
    await waitForMessage(agent, /the request waits for approval/)
    const pending = JSON.parse((await command(scene, 'fingerprint', '--json')).stdout) as Fingerprints
    const [csr] = scene.cluster.listCertificateSigningRequests()
    assert.equal(pending.request?.name, csr?.metadata.name)
    const publicKeyPem = await openssl(
      ['req', '-noout', '-pubkey'],
      Buffer.from(csr?.spec.request ?? '', 'base64').toString(),
    )
    assert.equal(pending.request?.publicKey, await digestOfKey(scene, publicKeyPem))
    assert.equal(pending.certificate, undefined)

    scene.cluster.approve(csr?.metadata.name ?? '')
    await waitForJoin(agent)
    const file = join(scene.files.certificates, 'kubelet-client-current.pem')
    const joined = JSON.parse((await command(scene, 'fingerprint', '--json')).stdout) as Fingerprints
    assert.equal(joined.request, undefined)
    assert.ok(
      (await openssl(['x509', '-noout', '-fingerprint', '-sha256', '-in', file]))
        .trim()
        .endsWith(`=${joined.certificate?.fingerprint ?? ''}`),
    )
    assert.equal(joined.certificate?.publicKey, await digestOfKey(scene, publicKeyPem))
    assert.deepEqual(joined.caCertHashes, [scene.cluster.caCertHash])
    const text = (await command(scene, 'fingerprint')).stdout
    for (const digits of [joined.certificate.fingerprint, joined.certificate.publicKey, scene.cluster.caCertHash])
      assert.ok(text.includes(digits), text)
  })

  it('resets: refuses beside an agent, shows before it removes, keeps the files of the kubelet, and may run twice', async () => {
    await using scene = await createScene()
    const agent = scene.daemon()
    await waitForJoin(agent)
    const refused = await command(scene, 'reset', '--yes')
    assert.equal(refused.code, EXIT.temporary)
    assert.match(refused.stderr, /nothing was removed\n {2}\(already-running\) stop it first/)
    agent.kill()
    await agent.exited

    const before = await scene.snapshot()
    const shown = await command(scene, 'reset', '--kubelet-files')
    assert.equal(shown.code, EXIT.ok)
    assert.match(shown.stdout, /^remove {3}.*\/joined .*\nremove {3}.*kubelet\.conf/)
    assert.match(shown.stdout, /nothing was removed yet/)
    assert.deepEqual(await scene.snapshot(), before)

    const kept = await command(scene, 'reset', '--yes')
    assert.match(kept.stdout, /keep {5}.*kubelet-client-current\.pem/)
    assert.deepEqual(await readdir(scene.files.state), [])
    assert.ok((await current(scene)).subject.includes('system:node:worker-1'))

    await writeFile(join(scene.files.certificates, 'of-another-program.pem'), '')
    const all = await command(scene, 'reset', '--yes', '--kubelet-files')
    assert.match(all.stdout, /removed.*ca\.crt/)
    assert.match(all.stdout, /kubectl delete node worker-1/)
    assert.deepEqual(await readdir(scene.files.certificates), ['of-another-program.pem'])
    const again = await command(scene, 'reset', '--yes', '--kubelet-files')
    assert.equal(again.code, EXIT.ok)
    assert.match(again.stdout, /there is nothing to remove/)
  })
})

/** As an administrator computes it: `openssl pkey -pubin -outform der | sha256sum`. */
async function digestOfKey(scene: Scene, publicKeyPem: string): Promise<string> {
  const path = join(scene.directory, 'key.der')
  await openssl(['pkey', '-pubin', '-outform', 'der', '-out', path], publicKeyPem)
  return (await openssl(['dgst', '-sha256', '-r', path])).split(' ')[0] ?? ''
}
