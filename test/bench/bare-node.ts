/** What the agent is measured beside: a Node.js with its default flags that has loaded the library of a TLS connection and rests. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PACKAGED_ENVIRONMENT } from './as-packaged.ts'

export const BARE_LIBRARIES = "require('node:https'); require('node:tls')"
/** Both are measured with the same lists of certificates: none but their own. */
export const BARE_ENVIRONMENT = { ...process.env, ...PACKAGED_ENVIRONMENT }

/** Dispose of it. */
export function spawnBareNode(): AsyncDisposable & { pid: number } {
  const program = `${BARE_LIBRARIES}; setInterval(() => {}, 60000)`
  const child = spawn(process.execPath, ['-e', program], { stdio: 'ignore', env: BARE_ENVIRONMENT })
  const exited = once(child, 'exit')
  return {
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      child.kill()
      await exited
    },
  }
}
