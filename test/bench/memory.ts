/** What a joined daemon holds at rest, beside a bare Node.js that has loaded the same core modules. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { spawnAgent } from '../harness/agent-process.ts'

const REST_MS = 20_000

/** In kB, from smaps_rollup. */
export interface Memory {
  rss: number
  pss: number
}

async function memoryOf(pid: number): Promise<Memory> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1])
  return { rss: field('Rss'), pss: field('Pss') }
}

/** Both after the same while at rest. `entry` is the agent's program and first arguments. */
export async function memoryAtRest(
  entry: readonly [string, ...string[]],
  configPath: string,
): Promise<{ agent: Memory; bare: Memory }> {
  await using agent = spawnAgent({ entry, args: ['run'], configPath })
  const bare = spawn(
    process.execPath,
    ['-e', "require('node:https'); require('node:tls'); setInterval(() => {}, 60000)"],
    { stdio: 'ignore' },
  )
  try {
    await agent.waitForLine(/"message":"joined"/)
    await delay(REST_MS)
    return { agent: await memoryOf(agent.pid), bare: await memoryOf(bare.pid ?? 0) }
  } finally {
    bare.kill()
    await once(bare, 'exit')
  }
}
