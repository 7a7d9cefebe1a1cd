/** `node-bootstrap validate`: the problems go to standard output, one a line, for people and editors. */
import { nodeFiles } from '../adapters/files.ts'
import { DEFAULT_PATH, readConfiguration } from '../compose/configuration-file.ts'
import { BootstrapError, EXIT, type ExitStatus } from '../lib/errors.ts'
import type { Invocation } from './invocation.ts'

export async function validate({ values, argument }: Invocation): Promise<ExitStatus> {
  const path = argument ?? (typeof values['config'] === 'string' ? values['config'] : DEFAULT_PATH)
  try {
    await readConfiguration(nodeFiles, path)
  } catch (thrown) {
    if (!(thrown instanceof BootstrapError) || thrown.code !== 'config-invalid') throw thrown
    process.stdout.write(`${thrown.message}\n`)
    return EXIT.config
  }
  process.stdout.write(`${path}: ok\n`)
  return EXIT.ok
}
