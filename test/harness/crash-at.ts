/**
 * Preloaded into an agent (`node --import`): kills the process, as a power cut would, right before or after it renames a
 * file to a path that ends as NODE_BOOTSTRAP_CRASH_AT says: `before:/cluster.json`. Every durable step ends in a rename.
 */
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const [when, pattern = ''] = (process.env['NODE_BOOTSTRAP_CRASH_AT'] ?? '').split(/:(.*)/s)
const expression = new RegExp(pattern)
const { rename } = promises

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => undefined)
}

promises.rename = async (from, to) => {
  const isHere = expression.test(String(to))
  if (isHere && when === 'before') await die()
  await rename(from, to)
  if (isHere && when === 'after') await die()
}
syncBuiltinESMExports()
