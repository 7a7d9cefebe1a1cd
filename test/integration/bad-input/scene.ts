/** A node of its own for each case of bad input: a cluster, a directory, and the real agent as a child process in it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { cp, lstat, mkdtemp, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { startDevCluster, type DevCluster, type DevClusterOptions } from '../../../src/dev-cluster/dev-cluster.ts'
import { errorCodes, type ErrorCode, type ExitStatus } from '../../../src/lib/error-codes.ts'
import { parseJson } from '../../../src/lib/json.ts'
import { spawnAgent, type AgentProcess, type Exit } from '../../harness/agent-process.ts'
import { joinFiles, writeJoinConfiguration, type JoinFiles } from '../../harness/join-configuration.ts'

/** CI is slow and noisy; only a test that fails waits for so long. */
export const DEADLINE_MS = 60_000

export interface LogLine {
  time: string
  level: string
  message: string
  code?: string
  hint?: string
  retryInSeconds?: number
}

export interface Problem extends LogLine {
  code: string
  hint: string
}

export interface Ended {
  exit: Exit
  log: LogLine[]
  /** The lines of the log that carry a code. */
  problems: Problem[]
  /** Everything that was printed. */
  text: string
}

export interface SceneOptions {
  /** Default: a cluster of its own. */
  cluster?: DevCluster
  clusterOptions?: DevClusterOptions
  /** Default: one that the cluster makes. */
  token?: string
  nodeName?: string
  overrides?: Readonly<Record<string, unknown>>
  /** The machine was a node before: a pair, a kubeconfig, a ca.crt, a verified cluster and a key under way are there. */
  veteran?: boolean
}

export interface Scene extends AsyncDisposable {
  readonly cluster: DevCluster
  readonly directory: string
  readonly files: JoinFiles
  readonly token: string
  readonly path: string
  configure(overrides?: Readonly<Record<string, unknown>>): Promise<void>
  daemon(options?: RunOptions): AgentProcess
  once(options?: RunOptions): Promise<Ended>
  /** Of what must not get lost: everything but join.yaml and what is gone after a reboot anyway. */
  snapshot(): Promise<Record<string, string>>
}

export interface RunOptions {
  /** Watch it while it runs `--once`. */
  once?: boolean
  env?: Readonly<Record<string, string>>
  entry?: readonly [string, ...string[]]
}

/** Compiled sources, shared by all children: most of what a child costs is the compiling. */
const compileCache = mkdtempSync(join(tmpdir(), 'node-bootstrap-compiled-'))
process.once('exit', () => {
  rmSync(compileCache, { recursive: true, force: true })
})

export async function createScene(options: SceneOptions = {}): Promise<Scene> {
  const cluster = options.cluster ?? (await startDevCluster(options.clusterOptions))
  const directory = await mkdtemp(join(tmpdir(), 'node-bootstrap-bad-'))
  if (options.veteran === true) await cp(await veteran(), directory, { recursive: true, verbatimSymlinks: true })
  const token = options.token ?? cluster.createToken()
  const configure = async (overrides: Readonly<Record<string, unknown>> = {}): Promise<void> => {
    const { nodeName } = options
    const controlPlane = cluster
    // A veteran comes from another cluster: that it may move is the operator's to say.
    const recovery = options.veteran === true ? { recovery: { rejoin: 'any' } } : {}
    await writeJoinConfiguration({
      directory,
      controlPlane,
      token,
      overrides: { ...recovery, ...overrides },
      ...(nodeName === undefined ? {} : { nodeName }),
    })
  }
  await configure(options.overrides ?? { discovery: { timeout: '1s' } })
  const path = join(directory, 'join.yaml')
  const running: AgentProcess[] = []
  const run = (args: readonly string[], { env, entry }: RunOptions = {}): AgentProcess => {
    const all = { NODE_COMPILE_CACHE: compileCache, ...env }
    const agent = spawnAgent({
      args: ['run', ...args],
      configPath: path,
      env: all,
      ...(entry === undefined ? {} : { entry }),
    })
    running.push(agent)
    return agent
  }
  return {
    cluster,
    directory,
    files: joinFiles(directory),
    token,
    path,
    configure,
    daemon: (runOptions = {}) => run(runOptions.once === true ? ['--once'] : [], runOptions),
    once: async (runOptions) => ended(run(['--once'], runOptions)),
    snapshot: () => snapshot(directory),
    [Symbol.asyncDispose]: async () => {
      for (const agent of running) await agent[Symbol.asyncDispose]()
      if (options.cluster === undefined) await cluster.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export function parseLog(lines: readonly string[]): LogLine[] {
  return lines.flatMap((line) => (parseJson(Buffer.from(line)) as LogLine | undefined) ?? [])
}

export const problemsIn = (lines: readonly string[]): Problem[] =>
  parseLog(lines).filter((line): line is Problem => line.code !== undefined)

export async function ended(agent: AgentProcess): Promise<Ended> {
  const exit = await agent.exited
  return { exit, log: parseLog(agent.lines), problems: problemsIn(agent.lines), text: agent.lines.join('\n') }
}

/** The agent ended with this status, and every problem that it told of was this one, with what to do about it. */
export function assertEndedWith(outcome: Ended, code: ErrorCode, exit: ExitStatus): void {
  assert.equal(outcome.exit.code, exit, outcome.text)
  assert.deepEqual([...new Set(outcome.problems.map((problem) => problem.code))], [code], outcome.text)
  for (const problem of outcome.problems) assertClear(problem)
  assert.match(outcome.text, new RegExp(`^node-bootstrap: .*\\n {2}\\(${code}\\) \\S`, 'm'))
}

/** One line, a sentence of its own, and a hint; never a stack, a class name or an object. */
export function assertClear(problem: Problem): void {
  assert.ok(
    problem.message.length > 10 && !/\n|undefined|\[object|Error:| at .*\.ts:/.test(problem.message),
    problem.message,
  )
  assert.ok(problem.hint.length > 10, `no hint: ${problem.message}`)
  assert.ok(problem.code in errorCodes && problem.code !== 'internal', problem.code)
}

/** Every failure that is tried again is waited out: an agent that spins shows here. */
export function assertPaced(lines: readonly string[]): void {
  for (const { message, retryInSeconds = Infinity } of problemsIn(lines))
    assert.ok(retryInSeconds >= 0.2, `tried again at once: ${message}`)
}

/** Waits for the next problem of this code, from line `from` on. */
export async function waitForProblem(agent: AgentProcess, code: ErrorCode, from = 0): Promise<Problem> {
  const line = await agent.waitForLine(new RegExp(`"code":"${code}"`), { from, timeoutMs: DEADLINE_MS })
  const [problem] = problemsIn([line])
  assert.ok(problem !== undefined)
  assertClear(problem)
  return problem
}

export const waitForMessage = (agent: AgentProcess, message: RegExp, from = 0): Promise<string> =>
  agent.waitForLine(new RegExp(`"message":"[^"]*${message.source}`), { from, timeoutMs: DEADLINE_MS })

export const waitForJoin = (agent: AgentProcess, from = 0): Promise<string> =>
  agent.waitForLine(/"message":"joined"/, { from, timeoutMs: DEADLINE_MS })

/** Paths, kinds, modes and contents below `directory`, without what comes and goes with each process. */
async function snapshot(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const name of await readdir(directory, { recursive: true })) {
    if (name === 'join.yaml' || name === 'run' || name.startsWith('run/') || name.endsWith('/agent.lock')) continue
    const path = join(directory, name)
    const stats = await lstat(path)
    const mode = (stats.mode & 0o7777).toString(8)
    if (stats.isSymbolicLink()) found[name] = `link to ${await readlink(path)}`
    else found[name] = stats.isDirectory() ? `directory ${mode}` : `${mode} ${await readFile(path, 'utf8')}`
  }
  return found
}

let veteranDirectory: Promise<string> | undefined

/** Made once: what an agent that was killed while its request waited left behind, over a pair of an older cluster. */
function veteran(): Promise<string> {
  veteranDirectory ??= makeVeteran()
  return veteranDirectory
}

async function makeVeteran(): Promise<string> {
  await using scene = await createScene({ clusterOptions: { approval: 'manual' } })
  const { files, cluster } = scene
  const agent = scene.daemon()
  await waitForMessage(agent, /the request waits for approval/)
  agent.kill('SIGKILL')
  await agent.exited
  const { certificatePem, privateKeyPem } = cluster.ca.issue({
    commonName: 'system:node:worker-1',
    organizations: ['system:nodes'],
    extendedKeyUsages: ['clientAuth'],
  })
  const pair = join(files.certificates, 'kubelet-client-2026-01-02-03-04-05.pem')
  for (const path of [pair, files.ca, files.kubeconfig]) await mkdir(dirname(path), { recursive: true })
  await writeFile(pair, certificatePem + privateKeyPem, { mode: 0o600 })
  await symlink('kubelet-client-2026-01-02-03-04-05.pem', join(files.certificates, 'kubelet-client-current.pem'))
  await writeFile(files.ca, `# Written by node-bootstrap, which keeps it current.\n${cluster.caPem}`)
  await writeFile(files.kubeconfig, 'kind: Config\n# of an older cluster\n', { mode: 0o600 })
  const kept = mkdtempSync(join(tmpdir(), 'node-bootstrap-veteran-'))
  process.once('exit', () => {
    rmSync(kept, { recursive: true, force: true })
  })
  await cp(scene.directory, kept, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !relative(scene.directory, source).startsWith('run'),
  })
  return kept
}

/**
 * Rows that do not depend on one another run beside one another, `limit` at a time and in their order, and each is still
 * a test of its own: most of their time they wait for a pause to be over.
 */
export function itConcurrently<Row extends { name: string }>(
  rows: readonly Row[],
  check: (row: Row) => Promise<void>,
  limit = 6,
): void {
  let results: PromiseWithResolvers<undefined>[] | undefined
  const start = (): PromiseWithResolvers<undefined>[] => {
    const settled = rows.map(() => Promise.withResolvers<undefined>())
    const queue = rows.entries()
    const work = async (): Promise<void> => {
      for (const [index, row] of queue) {
        try {
          await check(row)
          settled[index]?.resolve(undefined)
        } catch (thrown) {
          settled[index]?.reject(thrown)
        }
      }
    }
    // Whoever awaits the row hears of its failure; the queue goes on.
    for (const { promise } of settled) promise.catch(() => undefined)
    for (let lane = 0; lane < limit; lane += 1) void work()
    return settled
  }
  for (const [index, { name }] of rows.entries())
    it(name, async () => {
      results ??= start()
      await results[index]?.promise
    }).timeout(2 * DEADLINE_MS)
}
