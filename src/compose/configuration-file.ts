/** Reads join.yaml as a whole: the file, the host name that it may default to, and what is wrong with it. */
import { hostname } from 'node:os'
import { formatProblem, parseConfiguration, type JoinConfiguration } from '../config/index.ts'
import { readKubeconfigFile } from '../discovery/file-discovery.ts'
import { filesNamedBy } from '../discovery/kubeconfig-material.ts'
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
    throw new BootstrapError('config-unreadable', cause.message, { cause })
  }
  throw new BootstrapError('config-unreadable', `${path} is not there`)
}

/** The files whose change means that the configuration is to be looked at again, join.yaml first. */
export async function watchedPaths(files: Files, path: string, configuration: JoinConfiguration): Promise<string[]> {
  const { discovery, bootstrap } = configuration
  const named = [
    bootstrap.token?.kind === 'file' ? bootstrap.token.path : undefined,
    discovery.kind === 'token' && discovery.token.kind === 'file' ? discovery.token.path : undefined,
    discovery.caFile,
    discovery.kind === 'https' ? discovery.clusterCAFile : undefined,
    ...(discovery.kind === 'file' ? [discovery.path, ...(await namedByKubeconfig(files, discovery.path))] : []),
  ]
  return [...new Set([path, ...named.filter((item) => item !== undefined)])]
}

/** A kubeconfig that cannot be read names nothing: it is watched itself. */
async function namedByKubeconfig(files: Files, path: string): Promise<string[]> {
  try {
    return filesNamedBy(await readKubeconfigFile(files, path))
  } catch (thrown) {
    if (thrown instanceof BootstrapError) return []
    throw thrown
  }
}
