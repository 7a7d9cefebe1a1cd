/** A node whose real agent, a process of its own, is killed by SIGKILL at an effect; and begins each time with the same disk. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { transformSync } from 'esbuild'
import type { Status } from '../../src/agent/status.ts'
import { spawnAgent, type AgentProcess, type Exit } from '../harness/agent-process.ts'
import type { ControlPlane } from '../harness/control-plane.ts'
import { eventually } from '../harness/eventually.ts'
import { joinFiles, writeJoinConfiguration, type JoinFiles } from '../harness/join-configuration.ts'

/** For what takes a second on a quiet machine. */
const DEADLINE_MS = 60_000

export interface KillPoint {
  when: 'before' | 'amid' | 'after'
  /** `loop#17`, as crash-at.ts numbers it. */
  where: string
  effect: string
}

/** As the preloaded module that it is, without types: so a child does not take time to strip them. */
export function writePreload(directory: string): string {
  const path = join(directory, 'crash-at.mjs')
  const source = readFileSync(join(import.meta.dirname, '../harness/crash-at.ts'), 'utf8')
  writeFileSync(path, transformSync(source, { loader: 'ts' }).code)
  return path
}

/** `joins` ends with the join; `stays` is the daemon, which is told to end once it rests. */
export type Way = 'joins' | 'stays'

export interface KilledNodeOptions {
  /** In which its own is made. */
  directory: string
  name: string
  preload: string
  controlPlane: ControlPlane
  /** Sections of join.yaml. */
  overrides?: Readonly<Record<string, unknown>>
}

export class KilledNode {
  /** How its agent is run from now on. */
  way: Way = 'joins'
  readonly files: JoinFiles
  readonly name: string
  readonly token: string
  readonly directory: string
  readonly #template: string
  readonly #preload: string

  private constructor({ directory, name, preload }: KilledNodeOptions, token: string) {
    this.directory = join(directory, name)
    this.#template = join(directory, `${name}.template`)
    this.#preload = preload
    this.name = name
    this.token = token
    this.files = joinFiles(this.directory)
  }

  static async create(options: KilledNodeOptions): Promise<KilledNode> {
    const { controlPlane, overrides = {} } = options
    const token = await controlPlane.createToken()
    const node = new KilledNode(options, token)
    // What a boot makes.
    mkdirSync(join(node.files.runtime, '..'), { recursive: true })
    await writeJoinConfiguration({ directory: node.directory, controlPlane, token, nodeName: node.name, overrides })
    return node
  }

  get configPath(): string {
    return join(this.directory, 'join.yaml')
  }

  get currentPath(): string {
    return join(this.files.certificates, 'kubelet-client-current.pem')
  }

  /** What `reset` comes back to. */
  keep(): void {
    rmSync(this.#template, { recursive: true, force: true })
    cpSync(this.directory, this.#template, { recursive: true, verbatimSymlinks: true })
  }

  reset(): void {
    rmSync(this.directory, { recursive: true, force: true })
    cpSync(this.#template, this.directory, { recursive: true, verbatimSymlinks: true })
  }

  /** To its end. */
  run(): Promise<Exit & { agent: AgentProcess }> {
    return this.#run({})
  }

  runToCrash({ when, where }: KillPoint): Promise<Exit & { agent: AgentProcess }> {
    return this.#run({ NODE_OPTIONS: `--import=${this.#preload}`, NODE_BOOTSTRAP_CRASH_AT: `${when}:${where}` })
  }

  /**
   * Every point of a run that nothing ends: before each effect, after the last, and in the middle of those that have one. Of
   * the status those of its first writing: how many others there are depends on how quick the disk is.
   */
  async points(): Promise<KillPoint[]> {
    const trace = join(this.directory, 'effects')
    const { code, agent } = await this.#run({
      NODE_OPTIONS: `--import=${this.#preload}`,
      NODE_BOOTSTRAP_EFFECTS: trace,
    })
    if (code !== 0) throw new Error(agent.lines.join('\n'))
    const effects = readFileSync(trace, 'utf8').trimEnd().split('\n').map(parseEffect)
    const loop = effects.filter(({ sequence }) => sequence === 'loop')
    const status = effects.filter(({ sequence }) => sequence === 'status')
    const written = status.findIndex(({ name }) => name === `sync ${this.files.runtime}`)
    if (written === -1) throw new Error('no status was written')
    return [...pointsOf(loop), ...pointsOf(status.slice(0, written + 1))].map((point) => ({
      ...point,
      effect: point.effect.replaceAll(this.directory, ''),
    }))
  }

  async #run(env: Record<string, string>): Promise<Exit & { agent: AgentProcess }> {
    const args = this.way === 'joins' ? ['run', '--once'] : ['run']
    const agent = spawnAgent({ args, configPath: this.configPath, env: { NOTIFY_SOCKET: undefined, ...env } })
    if (this.way === 'stays') await endOnceAtRest(agent, join(this.files.runtime, 'status.json'))
    return { ...(await agent.exited), agent }
  }
}

interface TracedEffect {
  sequence: string
  hasMiddle: boolean
  name: string
}

function parseEffect(line: string): TracedEffect {
  const [, sequence = '', kind, name = ''] = /^(\w+) (\w+) (.*)$/.exec(line) ?? []
  return { sequence, hasMiddle: kind === 'halves', name }
}

/** Of effects that come one after another. */
const pointsOf = (effects: readonly TracedEffect[]): KillPoint[] =>
  effects.flatMap(({ sequence, hasMiddle, name }, index) => {
    const point = { where: `${sequence}#${index + 1}`, effect: name }
    return [
      { ...point, when: 'before' as const },
      ...(hasMiddle ? [{ ...point, when: 'amid' as const }] : []),
      ...(index === effects.length - 1 ? [{ ...point, when: 'after' as const }] : []),
    ]
  })

/** There is nothing more to do for either certificate, and the CA bundle, which is looked at last, is in force. */
const isAtRest = ({ state, summary, serving, cluster }: Status): boolean =>
  state === 'healthy' &&
  cluster?.published?.is === 'in-force' &&
  summary.startsWith('joined') &&
  (serving?.summary.includes('is renewed at') ?? true)

/** An agent that dies before it rests needs no word; rejects, and ends it, where it never does. */
async function endOnceAtRest(agent: AgentProcess, statusPath: string): Promise<void> {
  let hasEnded = false
  void agent.exited.then(() => {
    hasEnded = true
  })
  try {
    await eventually('the agent rests', { deadlineMs: DEADLINE_MS }, async () => {
      if (hasEnded) return true
      const status = JSON.parse(await readFile(statusPath, 'utf8')) as Status
      return status.program.pid === agent.pid && isAtRest(status) ? true : undefined
    })
    agent.kill()
  } catch (thrown) {
    agent.kill('SIGKILL')
    throw thrown
  }
}
