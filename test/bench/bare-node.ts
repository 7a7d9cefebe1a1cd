/** What the agent is measured beside: a Node.js with its default flags that has loaded the library of a TLS connection and rests. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

export const BARE_LIBRARIES = "require('node:https'); require('node:tls')"

/** Dispose of it. */
export function spawnBareNode(): AsyncDisposable & { pid: number } {
  const child = spawn(process.execPath, ['-e', `${BARE_LIBRARIES}; setInterval(() => {}, 60000)`], { stdio: 'ignore' })
  const exited = once(child, 'exit')
  return {
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      child.kill()
      await exited
    },
  }
}
