import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createCertificateAuthority, type CertificateOptions } from '../../../src/dev-cluster/certificate-authority.ts'
import { parseCertificateRequest } from '../../../src/dev-cluster/certificate-request.ts'
import type { DevCluster } from '../../../src/dev-cluster/dev-cluster.ts'
import { EXIT, type ErrorCode, type ExitStatus } from '../../../src/lib/error-codes.ts'
import { fieldAt, parseJson, textAt } from '../../../src/lib/json.ts'
import { eventually } from '../../harness/eventually.ts'
import {
  assertEndedWith,
  createScene,
  DEADLINE_MS,
  ended,
  itConcurrently,
  type Scene,
  waitForMessage,
  waitForProblem,
} from './scene.ts'

const HOUR_MS = 3_600_000
const REQUEST_NAME = /node-csr-[\w-]+/

/** What a signer would issue for the request under way, with `changes`. */
function issue(cluster: DevCluster, name: string, changes: Partial<CertificateOptions>, ca = cluster.ca): string {
  const { spec } = cluster.getCertificateSigningRequest(name)
  const { subjectPublicKeyInfo } = parseCertificateRequest(Buffer.from(spec.request, 'base64'))
  const asked: CertificateOptions = {
    commonName: 'system:node:worker-1',
    organizations: ['system:nodes'],
    extendedKeyUsages: ['clientAuth'],
    ...changes,
  }
  return ca.issue({ subjectPublicKeyInfo, ...asked }).certificatePem
}

interface Row {
  name: string
  issued: (cluster: DevCluster, name: string) => string
  code: ErrorCode
  exit: ExitStatus
}

const otherKey = createCertificateAuthority().subjectPublicKeyInfo

const wrong: readonly Row[] = [
  {
    name: 'for another key',
    issued: (cluster) =>
      cluster.ca.issue({
        subjectPublicKeyInfo: otherKey,
        commonName: 'system:node:worker-1',
        organizations: ['system:nodes'],
        extendedKeyUsages: ['clientAuth'],
      }).certificatePem,
    code: 'certificate-wrong',
    exit: EXIT.protocol,
  },
  {
    name: 'for another name',
    issued: (cluster, name) => issue(cluster, name, { commonName: 'system:node:worker-2' }),
    code: 'certificate-wrong',
    exit: EXIT.protocol,
  },
  {
    name: 'for an administrator',
    issued: (cluster, name) => issue(cluster, name, { organizations: ['system:nodes', 'system:masters'] }),
    code: 'certificate-wrong',
    exit: EXIT.protocol,
  },
  {
    name: 'of another CA',
    issued: (cluster, name) => issue(cluster, name, {}, createCertificateAuthority()),
    code: 'certificate-wrong',
    exit: EXIT.protocol,
  },
  {
    name: 'without clientAuth',
    issued: (cluster, name) => issue(cluster, name, { extendedKeyUsages: ['serverAuth'] }),
    code: 'certificate-wrong',
    exit: EXIT.protocol,
  },
  { name: 'that is garbage', issued: () => 'garbage', code: 'certificate-malformed', exit: EXIT.protocol },
]

const untimely: readonly Row[] = [
  {
    name: 'that had expired before it came',
    issued: (cluster, name) =>
      issue(cluster, name, { notBeforeMs: Date.now() - 2 * HOUR_MS, notAfterMs: Date.now() - HOUR_MS }),
    code: 'certificate-lapsed',
    exit: EXIT.temporary,
  },
  {
    name: 'from the future',
    issued: (cluster, name) =>
      issue(cluster, name, { notBeforeMs: Date.now() + HOUR_MS, notAfterMs: Date.now() + 2 * HOUR_MS }),
    code: 'clock-skewed',
    exit: EXIT.temporary,
  },
]

/** As a faulty signer: what is there when the approval comes is not signed anew. */
function put(cluster: DevCluster, name: string, certificatePem: string): void {
  cluster.setCertificate(name, certificatePem)
  cluster.approve(name)
}

const nextRequest = (cluster: DevCluster, known: readonly string[]): Promise<string> =>
  eventually('a new request', { deadlineMs: DEADLINE_MS }, () =>
    Promise.resolve(
      cluster
        .listCertificateSigningRequests()
        .map(({ metadata }) => metadata.name)
        .find((name) => !known.includes(name)),
    ),
  )

/** Without what the refusal itself writes, and without the key under way. */
async function identityIn(scene: Scene): Promise<Record<string, string>> {
  const all = await scene.snapshot()
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => name.startsWith('etc/') || name.startsWith('var/lib/kubelet/')),
  )
}

const manual = { clusterOptions: { approval: 'manual' } } as const

describe('a certificate at the first join', () => {
  itConcurrently(wrong, async ({ issued, code, exit }) => {
    await using scene = await createScene({ ...manual, veteran: true })
    const { cluster } = scene
    const before = await identityIn(scene)
    const agent = scene.daemon({ once: true })
    const name = REQUEST_NAME.exec(await waitForMessage(agent, /the request waits for approval/))?.[0] ?? ''
    put(cluster, name, issued(cluster, name))
    const outcome = await ended(agent)
    assertEndedWith(outcome, code, exit)
    assert.equal(outcome.problems.length, 1)
    assert.deepEqual(await identityIn(scene), before)
    assert.equal(cluster.listCertificateSigningRequests().length, 1)
  })

  itConcurrently(untimely, async ({ issued, code, exit }) => {
    await using scene = await createScene({ ...manual, veteran: true })
    const { cluster } = scene
    const before = await identityIn(scene)
    const agent = scene.daemon({ once: true })
    const name = REQUEST_NAME.exec(await waitForMessage(agent, /the request waits for approval/))?.[0] ?? ''
    put(cluster, name, issued(cluster, name))
    await waitForProblem(agent, code)
    assert.deepEqual(await identityIn(scene), before)
    if (code === 'certificate-lapsed') {
      // The key is given up, and the next request, this time signed in time, joins.
      const next = await nextRequest(cluster, [name])
      cluster.approve(next)
      assert.equal((await agent.exited).code, EXIT.ok)
      return
    }
    const outcome = await ended(agent)
    assertEndedWith(outcome, code, exit)
    assert.match(outcome.problems[0]?.message ?? '', /here it is 20.*there 20/)
    assert.deepEqual(await identityIn(scene), before)
    assert.equal(cluster.listCertificateSigningRequests().length, 1)
  })
})

describe('a certificate at a renewal', () => {
  itConcurrently([...wrong, ...untimely], async ({ issued, code }) => {
    await using scene = await createScene({
      ...manual,
      // A certificate is due as soon as it is there.
      overrides: { certificate: { rotation: { window: [1e-9, 2e-9] } } },
    })
    const { cluster } = scene
    const agent = scene.daemon()
    const first = await nextRequest(cluster, [])
    cluster.approve(first)
    const second = await nextRequest(cluster, [first])
    await waitForMessage(
      agent,
      /the request waits for approval/,
      agent.lines.findIndex((line) => line.includes(second)),
    )
    const before = await identityIn(scene)
    assert.equal(Object.keys(before).filter((path) => path.includes('kubelet-client-')).length, 2)
    put(cluster, second, issued(cluster, second))
    await waitForProblem(agent, code)
    assert.deepEqual(await identityIn(scene), before)
    assert.ok(!agent.lines.some((line) => line.includes('"code":"internal"')))
  })
})

describe('a request', () => {
  const statusIn = async ({ files }: Scene): Promise<unknown> =>
    parseJson(await readFile(join(files.runtime, 'status.json')))

  it('that is approved and that no signer signs says so in the status', async () => {
    await using scene = await createScene({ clusterOptions: { signerEnabled: false } })
    const agent = scene.daemon()
    await waitForMessage(agent, /is approved and waits for its signer/)
    const status = await eventually('the status', { deadlineMs: DEADLINE_MS }, async () => {
      const now = await statusIn(scene)
      return textAt(now, 'summary')?.includes('approved') === true ? now : undefined
    })
    assert.match(
      textAt(status, 'summary') ?? '',
      /not signed yet; without a signer for kubernetes\.io\/kube-apiserver-client-kubelet/,
    )
    assert.equal(textAt(status, 'state'), 'waiting')
    assert.equal(textAt(status, 'step'), 'approval')
    assert.equal(fieldAt(status, 'problem'), undefined)
    assert.equal(scene.cluster.listCertificateSigningRequests().length, 1)
  })

  const verdicts = [
    {
      name: 'that is denied ends --once, and is not asked again until the operator says so',
      refuse: (cluster: DevCluster, name: string) => cluster.deny(name, { message: 'not this machine' }),
      code: 'csr-denied',
      message: /was denied: KubectlDeny: not this machine/,
    },
    {
      name: 'that its signer fails ends --once, and is not asked again until the operator says so',
      refuse: (cluster: DevCluster, name: string) => cluster.fail(name, { message: 'no such policy' }),
      code: 'csr-failed',
      message: /was failed by its signer: SignerValidationFailure: no such policy/,
    },
  ] as const
  itConcurrently(verdicts, async ({ refuse, code, message }) => {
    await using scene = await createScene({ ...manual, veteran: true })
    const { cluster } = scene
    const before = await identityIn(scene)
    const agent = scene.daemon({ once: true })
    const name = REQUEST_NAME.exec(await waitForMessage(agent, /the request waits for approval/))?.[0] ?? ''
    refuse(cluster, name)
    const outcome = await ended(agent)
    assertEndedWith(outcome, code, EXIT.refused)
    assert.match(outcome.problems[0]?.message ?? '', message)
    assertEndedWith(await scene.once(), code, EXIT.refused)
    assert.equal(cluster.listCertificateSigningRequests().length, 1, 'it was asked again by itself')
    assert.deepEqual(await identityIn(scene), before)

    const daemon = scene.daemon()
    await waitForProblem(daemon, code)
    daemon.kill('SIGHUP')
    cluster.approve(await nextRequest(cluster, [name]))
    await waitForMessage(daemon, /joined/)
  })
})
