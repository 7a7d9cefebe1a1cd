/** What the modes and owners of files let others do: read a secret, or change what is trusted. It hands on no secret. */
import { dirname, resolve } from 'node:path'
import type { JoinConfiguration, TokenSource } from '../config/index.ts'
import type { Exposure, ReadableSecret } from '../findings/trade-offs.ts'
import type { Files } from '../lib/ports.ts'
import { configurationFiles } from './configuration-files.ts'
import type { LocalKubeconfig } from './local-kubeconfig.ts'
import { isPassable, PASS } from './passage.ts'
import { writablePlaces } from './writable-places.ts'

type Looks = Pick<Files, 'stat' | 'realPath' | 'readLink'>

/** The secrets first. What cannot be looked at says nothing. */
export async function exposures(
  files: Files,
  configuration: JoinConfiguration,
  configurationPath: string,
  local: LocalKubeconfig | undefined,
): Promise<Exposure[]> {
  const looks = askedOnce(files)
  const paths = new Set([...secretFiles(configuration, configurationPath), ...secretsOf(local)])
  const found = await Promise.all([...paths].map((path) => readableSecret(looks, path).catch(() => undefined)))
  // A key that somebody else put there would be taken for one that the agent made.
  const { state, certificates } = configuration.files
  const trusted = [...configurationFiles(configurationPath, configuration, local), state, certificates]
  const writable = await writablePlaces(looks, trusted)
  return [...found.filter((secret) => secret !== undefined), ...writable]
}

/** The ways to different files lead through the same directories. */
function askedOnce(files: Looks): Looks {
  const asked = new Map<string, ReturnType<Looks['stat']>>()
  return {
    stat: (path) => {
      const facts = asked.get(path) ?? files.stat(path)
      asked.set(path, facts)
      return facts
    },
    realPath: (path) => files.realPath(path),
    readLink: (path) => files.readLink(path),
  }
}

function secretFiles({ discovery, bootstrap }: JoinConfiguration, configurationPath: string): string[] {
  const of = (source: TokenSource | undefined): string[] => {
    if (source?.kind === 'inline') return [configurationPath]
    return source?.kind === 'file' ? [source.path] : []
  }
  return [...(discovery.kind === 'token' ? of(discovery.token) : []), ...of(bootstrap.token)]
}

/** The kubeconfig of discovery by file, where it holds a secret, and the file of one that it names. */
function secretsOf(local: LocalKubeconfig | undefined): string[] {
  if (local === undefined) return []
  const { path, source, kubeconfig } = local
  const { user } = kubeconfig
  const material = user?.kind === 'certificate' ? user.key : user?.token
  if (material === undefined) return []
  return [material.kind === 'file' ? resolve(source.directory, material.path) : path]
}

const READ = { all: 0o004, group: 0o040 } as const

async function readableSecret(files: Looks, path: string): Promise<ReadableSecret | undefined> {
  const real = await files.realPath(path)
  const mode = real === undefined ? undefined : (await files.stat(real))?.mode
  if (real === undefined || mode === undefined) return undefined
  for (const readableBy of ['all', 'group'] as const)
    if ((mode & READ[readableBy]) !== 0 && (await isPassable(files, dirname(real), PASS[readableBy])))
      return { path, mode, readableBy }
  return undefined
}
