/**
 * What a joined daemon costs at rest, beside a bare Node.js that has loaded https and tls and one that holds a connection over
 * TLS, all at once in one run: resident memory, processor time, wake-ups, and after that the time from exec to READY=1. The
 * cluster is the embedded one.
 * Usage: npm run bench:rest [MINUTES]. It prints the table of docs/benchmarks.md.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { spawnAgent } from '../harness/agent-process.ts'
import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { writeJoinConfiguration } from '../harness/join-configuration.ts'
import { PACKAGED_ENVIRONMENT, PACKAGED_OPTIONS } from './as-packaged.ts'
import { BARE_ENVIRONMENT, BARE_LIBRARIES, spawnBareNode, spawnConnectedNode, type BareNode } from './bare-node.ts'
import { memoryOf, processorMsOf, WakeUps } from './process-cost.ts'
import { NotifySocket } from '../harness/notify-socket.ts'
import { median, range } from './statistics.ts'

const MINUTES = Number(process.argv[2] ?? 10)
/** More work than days of rest: each reads join.yaml anew and asks the API server. */
const RELOADS = 60
/** The agent gives memory back when it has rested a minute since it last did something (docs/adr/0006). */
const SETTLE_MS = 90_000
const STARTS = 10
/** As packaging/systemd/node-bootstrap.service has it. */
const UNIT = { ...PACKAGED_ENVIRONMENT, WATCHDOG_USEC: '600000000', MALLOC_ARENA_MAX: '1' }
const PROGRAM = join(import.meta.dirname, '../../dist/node-bootstrap.cjs')

function row(...cells: readonly string[]): void {
  console.log(`| ${cells.join(' | ')} |`)
}

async function measure(configPath: string): Promise<void> {
  row('at rest', 'node-bootstrap', 'bare node with https and tls', 'ratio', 'that holds a connection', 'ratio')
  row('---', '---', '---', '---', '---', '---')
  await using agent = spawnDaemon(configPath)
  await using bare = spawnBareNode()
  await using connected = await spawnConnectedNode()
  await agent.waitForLine(/"message":"joined"/)
  await delay(SETTLE_MS)
  const costs = await Promise.all([agent, bare, connected].map(({ pid }) => restingCost(pid)))
  const fed = socket.count('WATCHDOG=1')
  await memoryRows(`after ${MINUTES} minutes`, agent, [bare, connected])
  for (let reload = 0; reload < RELOADS; reload += 1) {
    const from = agent.lines.length
    agent.kill('SIGHUP')
    await agent.waitForLine(/"message":"joined"/, { from })
  }
  await delay(SETTLE_MS)
  await memoryRows(`after ${RELOADS} reloads in a row`, agent, [bare, connected])
  const processorTimes = costs.map(({ processorMs }) => percent(processorMs))
  rowBeside(`processor time in ${MINUTES} minutes`, processorTimes)
  const [ours = '', ...theirs] = costs.map(({ wakeUps }) => String(wakeUps))
  rowBeside(`wake-ups in ${MINUTES} minutes`, [`${ours}, ${fed} for the watchdog`, ...theirs])
}

function spawnDaemon(configPath: string): ReturnType<typeof spawnAgent> {
  const env = { ...UNIT, NOTIFY_SOCKET: socket.path, WATCHDOG_PID: undefined }
  return spawnAgent({ entry: [process.execPath, ...PACKAGED_OPTIONS, PROGRAM], args: ['run'], configPath, env })
}

interface RestingCost {
  /** Of the process and of the children that it has waited for. */
  processorMs: number
  wakeUps: number
}

async function restingCost(pid: number): Promise<RestingCost> {
  const beganMs = await processorMsOf(pid)
  const wakeUps = await WakeUps.countDuring(pid, MINUTES * 60_000)
  return { processorMs: (await processorMsOf(pid)) - beganMs, wakeUps }
}

const percent = (ms: number): string => `${ms} ms, ${(ms / (MINUTES * 600)).toFixed(3)} %`

/** Without ratios. */
function rowBeside(what: string, [ours = '', ...theirs]: readonly string[]): void {
  row(what, ours, ...theirs.flatMap((text) => [text, '']))
}

async function memoryRows(when: string, agent: { pid: number }, beside: readonly BareNode[]): Promise<void> {
  const [ours, ...theirs] = await Promise.all([agent, ...beside].map(({ pid }) => memoryOf(pid)))
  if (ours === undefined) return
  for (const what of ['rss', 'pss'] as const) {
    const cells = theirs.flatMap((their) => [`${their[what]} kB`, (ours[what] / their[what]).toFixed(2)])
    row(`${what.toUpperCase()} ${when}`, `${ours[what]} kB`, ...cells)
  }
}

/** Of a node that has joined: what a boot waits for. */
async function startRow(configPath: string): Promise<void> {
  const ours: number[] = []
  const bare: number[] = []
  for (let index = 0; index < STARTS; index += 1) {
    const ready = socket.next('READY=1')
    const beganMs = performance.now()
    await using agent = spawnDaemon(configPath)
    if ((await Promise.race([ready, agent.exited.then(() => undefined)])) === undefined)
      throw new Error(`the agent ended before it was ready:\n${agent.lines.join('\n')}`)
    ours.push(performance.now() - beganMs)
    agent.kill('SIGTERM')
    await agent.exited
    bare.push(await bareStartMs())
  }
  const ratio = median(ours) / median(bare)
  row(
    'exec to READY=1, and to the end of the bare node',
    `${range(ours)} ms`,
    `${range(bare)} ms`,
    ratio.toFixed(2),
    '',
    '',
  )
}

async function bareStartMs(): Promise<number> {
  const beganMs = performance.now()
  await once(spawn(process.execPath, ['-e', BARE_LIBRARIES], { stdio: 'ignore', env: BARE_ENVIRONMENT }), 'exit')
  return performance.now() - beganMs
}

const scratch = await mkdtemp(join(tmpdir(), 'node-bootstrap-rest-'))
const controlPlane = await startEmbeddedControlPlane()
const socket = await NotifySocket.listen(join(scratch, 'notify'))
try {
  const { path: configPath } = await writeJoinConfiguration({
    directory: scratch,
    controlPlane,
    token: await controlPlane.createToken(),
    overrides: { log: { level: 'info', format: 'json' } },
  })
  await measure(configPath)
  await startRow(configPath)
} finally {
  await socket.close()
  await controlPlane.stop()
  await rm(scratch, { recursive: true, force: true })
}
