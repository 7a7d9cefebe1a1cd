/** What the behaviours share: one control plane for a suite, its nodes, and the ways in which an agent ends. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { AgentProcess } from '../harness/agent-process.ts'
import type { ControlPlane, ControlPlaneOptions } from '../harness/control-plane.ts'
import { JoiningNode, type NodeOptions } from '../harness/joining-node.ts'
import { useTemporaryDirectory } from '../harness/temporary-directory.ts'

export type StartControlPlane = (options: ControlPlaneOptions) => Promise<ControlPlane>

/** One control plane for a suite, and nodes whose names no other test of it has. */
export class Suite {
  readonly #nodes: JoiningNode[] = []
  readonly #directory: ReturnType<typeof useTemporaryDirectory>
  #controlPlane: ControlPlane | undefined
  #count = 0

  constructor(start: StartControlPlane, options: ControlPlaneOptions) {
    before(async () => {
      this.#controlPlane = await start(options)
    })
    after(() => this.#controlPlane?.stop())
    // Registered before the directory's own end, so that it runs before it.
    afterEach(() => this.stopNodes())
    this.#directory = useTemporaryDirectory()
  }

  get controlPlane(): ControlPlane {
    if (this.#controlPlane === undefined) throw new Error('the control plane is not up')
    return this.#controlPlane
  }

  get directory(): string {
    return this.#directory.path
  }

  async node(options: Partial<Omit<NodeOptions, 'controlPlane'>> = {}): Promise<JoiningNode> {
    this.#count += 1
    const { controlPlane, directory } = this
    const name = options.name ?? `node-${this.#count}`
    const token = options.token ?? (await controlPlane.createToken())
    const node = await JoiningNode.create({ directory, ...options, controlPlane, name, token })
    this.#nodes.push(node)
    return node
  }

  async stopNodes(): Promise<void> {
    await Promise.all(this.#nodes.splice(0).map((node) => node.stop()))
  }
}

/** SIGTERM, and its end: in time, with 0, and not by the signal. */
export async function terminate(agent: AgentProcess): Promise<void> {
  agent.kill()
  const exit = await Promise.race([agent.exited, delay(20_000, undefined, { ref: false })])
  assert.deepEqual(exit, { code: 0, signal: null }, agent.lines.join('\n'))
  assert.ok(agent.lines.some((line) => line.includes('"message":"node-bootstrap stops"')))
}

export async function kill(agent: AgentProcess): Promise<void> {
  agent.kill('SIGKILL')
  await agent.exited
}
