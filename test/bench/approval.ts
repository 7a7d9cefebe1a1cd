/**
 * From the approval of a request to node-bootstrap-joined.target, on a booted machine with the package, against a real
 * kube-apiserver: each step by the monotonic clock, which the machine shares with this process. Beside it the floor: when a
 * plain watch sees the signer's certificate, which nobody can be faster than.
 * Usage: npm run bench:approval [RUNS [SECONDS]]; each request waits SECONDS for its approval. It prints the table of
 * docs/benchmarks.md.
 */
import { loadavg } from 'node:os'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { CertificateSigningRequest } from 'kubernetes-types/certificates/v1.js'
import type { Machine } from '../harness/machine.ts'
import { startRealControlPlane, type RealControlPlane } from '../harness/real-control-plane.ts'
import {
  activeEnterMs,
  activeState,
  bootMachine,
  configure,
  installCommand,
  JOINED_TARGET,
  joined,
  joinYaml,
  leaveCluster,
  property,
  until,
  waitsForApproval,
} from '../system/scene.ts'
import { range } from './statistics.ts'

const RUNS = Number(process.argv[2] ?? 10)
const WAITING_MS = Number(process.argv[3] ?? 5) * 1000
/** Nothing is asked in the machine meanwhile: each question is a process, and there are two cores. */
const UNDISTURBED_MS = 3000

/** The agent's steps, by their lines in the journal. */
const STEPS = {
  'the agent sees the approval': /^the request is approved/,
  'the agent sees the certificate': /^the certificate is issued/,
  'certificate on disk': /^the certificate is installed/,
  'kubeconfig on disk': /^the kubeconfig is written/,
  'accepted by the API server, joined': /^joined/,
} as const

/** CLOCK_MONOTONIC, in ms. */
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** What happened when, in ms since the end of the request that approved. */
type Run = Readonly<Record<string, number>>

async function approveOnce(machine: Machine, controlPlane: RealControlPlane): Promise<Run> {
  await machine.run('systemctl start node-bootstrap')
  const name = (await waitsForApproval(machine)).request?.name ?? ''
  await delay(WAITING_MS)
  const floor = certificateSeenMs(await controlPlane.watchCertificateSigningRequest(name))
  await controlPlane.approve(name)
  const approvedMs = nowMs()
  await delay(UNDISTURBED_MS)
  await until(machine, 'the target is reached', async () => (await activeState(machine, JOINED_TARGET)) === 'active')
  await joined(machine)
  const times = {
    'a plain watch sees the certificate': await floor,
    ...(await journalMs(machine)),
    'the target is active': await activeEnterMs(machine, JOINED_TARGET),
  }
  await leaveCluster(machine)
  await machine.run(`systemctl stop ${JOINED_TARGET}`)
  return Object.fromEntries(Object.entries(times).map(([step, atMs]) => [step, atMs - approvedMs]))
}

async function certificateSeenMs(events: Readable): Promise<number> {
  for await (const line of createInterface(events)) {
    const { object } = JSON.parse(line) as { object: CertificateSigningRequest }
    if (object.status?.certificate === undefined) continue
    const seenMs = nowMs()
    events.destroy()
    return seenMs
  }
  throw new Error('the watch has ended without a certificate')
}

/** When the journal was told of each step, by the agent that runs. */
async function journalMs(machine: Machine): Promise<Record<string, number>> {
  const invocation = await property(machine, 'InvocationID')
  const command = `journalctl --output=json _SYSTEMD_INVOCATION_ID=${invocation}`
  return machine.eventually('the journal has every step', async () => {
    const lines = (await machine.run(command)).split('\n').filter((line) => line !== '')
    const entries = lines.map((line) => JSON.parse(line) as { MESSAGE: string; __MONOTONIC_TIMESTAMP: string })
    const times = Object.entries(STEPS).map(([step, pattern]) => {
      const entry = entries.find(({ MESSAGE }) => pattern.test(MESSAGE))
      if (entry === undefined) throw new Error(`${step} is missing`)
      return [step, Number(entry.__MONOTONIC_TIMESTAMP) / 1000]
    })
    return Object.fromEntries(times) as Record<string, number>
  })
}

function report(runs: readonly Run[]): void {
  console.log('| ms from the end of the approving request until | median (min to max) |\n| --- | --- |')
  for (const step of Object.keys(runs[0] ?? {}))
    console.log(`| ${step} | ${range(runs.map((run) => run[step] ?? NaN))} |`)
  const last = runs.map(
    (run) => (run['the target is active'] ?? NaN) - (run['a plain watch sees the certificate'] ?? NaN),
  )
  console.log(`| from the floor to the target | ${range(last)} |`)
}

const controlPlane = await startRealControlPlane({ approval: 'manual' })
const machine = await bootMachine()
try {
  await machine.run(installCommand())
  await configure(machine, joinYaml(controlPlane, { token: await controlPlane.createToken() }))
  const runs: Run[] = []
  for (let index = 0; index < RUNS; index += 1) {
    runs.push(await approveOnce(machine, controlPlane))
    console.log(JSON.stringify(runs.at(-1)))
  }
  console.log(`${RUNS} approvals; Kubernetes ${controlPlane.version}; load ${loadavg()[0]?.toFixed(1) ?? ''}`)
  report(runs)
} finally {
  await machine.stop()
  await controlPlane.stop()
}
