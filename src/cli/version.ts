/** `node-bootstrap version`. */
import { EXIT, type ExitStatus } from '../lib/error-codes.ts'
import { VERSION } from '../lib/version.ts'

export function version(): Promise<ExitStatus> {
  process.stdout.write(`node-bootstrap ${VERSION}\n`)
  return Promise.resolve(EXIT.ok)
}
