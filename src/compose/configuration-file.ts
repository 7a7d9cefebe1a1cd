/** Reads join.yaml as a whole: the file, the host name that it may default to, and what is wrong with it. */
import { hostname } from 'node:os'
import { formatProblem, parseConfiguration, type JoinConfiguration } from '../config/index.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { Files } from '../lib/ports.ts'
import { MAX_FILE_BYTES } from '../lib/text-file.ts'

export const DEFAULT_PATH = '/etc/node-bootstrap/join.yaml'
export const DEFAULT_RUNTIME_DIRECTORY = '/run/node-bootstrap'

/** Throws `config-unreadable`, or `config-invalid` whose message has a line for each problem. */
export async function readConfiguration(files: Files, path: string): Promise<JoinConfiguration> {
  return parseConfigurationBytes(await readConfigurationBytes(files, path), path)
}

/** Throws `config-invalid`. */
export function parseConfigurationBytes(bytes: Uint8Array, path: string): JoinConfiguration {
  const result = parseConfiguration(new TextDecoder().decode(bytes), { file: path, hostName: hostname() })
  if ('configuration' in result) return result.configuration
  throw new BootstrapError('config-invalid', result.problems.map(formatProblem).join('\n'))
}

/** Throws `config-unreadable`. */
export async function readConfigurationBytes(files: Files, path: string): Promise<Uint8Array> {
  try {
    const bytes = await files.read(path, MAX_FILE_BYTES)
    if (bytes !== undefined) return bytes
  } catch (cause) {
    if (!(cause instanceof BootstrapError)) throw cause
    throw new BootstrapError('config-unreadable', cause.message, {
      cause,
      // Who may not read it is told how to, and not to make it readable.
      ...(cause.code === 'storage-denied' ? { hint: cause.hint } : {}),
    })
  }
  throw new BootstrapError('config-unreadable', `${path} is not there`)
}
