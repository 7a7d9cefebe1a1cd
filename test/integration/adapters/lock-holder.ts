/** Takes the lock on the state directory that it is given and holds it until its end; prints how that went. */
import { nodeFiles } from '../../../src/adapters/files.ts'
import { acquireInstanceLock } from '../../../src/adapters/instance-lock.ts'
import { asBootstrapError } from '../../../src/lib/errors.ts'

try {
  await acquireInstanceLock(nodeFiles, process.argv[2] ?? '')
  process.stdout.write('holds it\n')
  setInterval(() => undefined, 60_000)
} catch (thrown) {
  process.stdout.write(`${asBootstrapError(thrown).code}\n`)
}
