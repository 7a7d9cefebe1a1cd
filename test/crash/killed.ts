/** A node whose real agent, a process of its own, is killed by SIGKILL at an effect; and begins each time with the same disk. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { transformSync } from 'esbuild'
import { spawnAgent, type AgentProcess, type Exit } from '../harness/agent-process.ts'
import type { ControlPlane } from '../harness/control-plane.ts'
import { joinFiles, writeJoinConfiguration, type JoinFiles } from '../harness/join-configuration.ts'

export interface KillPoint {
  when: 'before' | 'amid' | 'after'
  number: number
  effect: string
}

export const crashPointOf = ({ when, number }: KillPoint): string => `${when}:#${number}`

/** As the preloaded module that it is, without types: so a child does not take time to strip them. */
export function writePreload(directory: string): string {
  const path = join(directory, 'crash-at.mjs')
  const source = readFileSync(join(import.meta.dirname, '../harness/crash-at.ts'), 'utf8')
  writeFileSync(path, transformSync(source, { loader: 'ts' }).code)
  return path
}

/** `joins` ends with the join; `stays` is the daemon, which is told to end once it rests. */
export type Way = 'joins' | 'stays'

export class KilledNode {
  /** How its agent is run from now on. */
  way: Way = 'joins'
  readonly files: JoinFiles
  readonly name: string
  readonly #directory: string
  readonly #template: string
  readonly #preload: string

  private constructor(directory: string, name: string, preload: string) {
    this.#directory = join(directory, name)
    this.#template = join(directory, `${name}.template`)
    this.#preload = preload
    this.name = name
    this.files = joinFiles(this.#directory)
  }

  static async create(
    directory: string,
    name: string,
    preload: string,
    controlPlane: ControlPlane,
  ): Promise<KilledNode> {
    const node = new KilledNode(directory, name, preload)
    mkdirSync(node.#directory)
    const token = await controlPlane.createToken()
    await writeJoinConfiguration({ directory: node.#directory, controlPlane, token, nodeName: name })
    return node
  }

  get currentPath(): string {
    return join(this.files.certificates, 'kubelet-client-current.pem')
  }

  /** What `reset` comes back to. */
  keep(): void {
    rmSync(this.#template, { recursive: true, force: true })
    cpSync(this.#directory, this.#template, { recursive: true, verbatimSymlinks: true })
  }

  reset(): void {
    rmSync(this.#directory, { recursive: true, force: true })
    cpSync(this.#template, this.#directory, { recursive: true, verbatimSymlinks: true })
  }

  /** To its end. */
  run(): Promise<Exit & { agent: AgentProcess }> {
    return this.#run({})
  }

  runToCrash(point: KillPoint): Promise<Exit & { agent: AgentProcess }> {
    return this.#run({ NODE_OPTIONS: `--import=${this.#preload}`, NODE_BOOTSTRAP_CRASH_AT: crashPointOf(point) })
  }

  /** Every point of a run that nothing ends: before each effect, after the last, and in the middle of those that have one. */
  async points(): Promise<KillPoint[]> {
    const trace = join(this.#directory, 'effects')
    const { code, agent } = await this.#run({
      NODE_OPTIONS: `--import=${this.#preload}`,
      NODE_BOOTSTRAP_EFFECTS: trace,
    })
    if (code !== 0) throw new Error(agent.lines.join('\n'))
    const lines = readFileSync(trace, 'utf8').trimEnd().split('\n')
    return lines.flatMap((line, index) => {
      const [kind, effect = ''] = line.split(/ (.*)/s)
      const point = { number: index + 1, effect: effect.replaceAll(this.#directory, '') }
      return [
        { ...point, when: 'before' as const },
        ...(kind === 'halves' ? [{ ...point, when: 'amid' as const }] : []),
        ...(index === lines.length - 1 ? [{ ...point, when: 'after' as const }] : []),
      ]
    })
  }

  async #run(env: Record<string, string>): Promise<Exit & { agent: AgentProcess }> {
    const configPath = join(this.#directory, 'join.yaml')
    const args = this.way === 'joins' ? ['run', '--once'] : ['run']
    const agent = spawnAgent({ args, configPath, env: { NOTIFY_SOCKET: undefined, ...env } })
    if (this.way === 'stays') void endOnceAtRest(agent)
    return { ...(await agent.exited), agent }
  }
}

/** An agent that dies before it rests needs no word; one that never rests is ended, and has then not ended well. */
async function endOnceAtRest(agent: AgentProcess): Promise<void> {
  try {
    await agent.waitForLine(/"message":"joined"/)
    agent.kill()
  } catch {
    agent.kill('SIGKILL')
  }
}
