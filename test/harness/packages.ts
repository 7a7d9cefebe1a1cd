/** The packages of this source, built without compression, which takes seconds. */
import { execFile } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { VERSION } from '../../src/lib/version.ts'
import { removeDirectoryAtExit } from './child-process.ts'

const run = promisify(execFile)

export const PREVIOUS_VERSION = '0.0.9'

/** Their paths. */
export interface Packages {
  deb: string
  rpm: string
}

/** `previousRpm` is the same as `rpm` under PREVIOUS_VERSION, and `rpm` an upgrade of it. */
type BuiltPackages = Packages & { previousRpm: string }

let packages: Promise<BuiltPackages> | undefined

/** Built once for all suites; removed when this process ends. */
export function builtPackages(): Promise<BuiltPackages> {
  packages ??= mkdtemp(join(tmpdir(), 'node-bootstrap-packages-')).then(async (directory) => {
    removeDirectoryAtExit(directory)
    const repository = join(import.meta.dirname, '../..')
    const built = await buildPackages(repository, directory, {}, ['--also-as', PREVIOUS_VERSION])
    return { ...built, previousRpm: join(directory, `node-bootstrap-${PREVIOUS_VERSION}-1.x86_64.rpm`) }
  })
  return packages
}

/** From the source in `repository`; whatever the environment, the same source is to give the same bytes. */
export async function buildPackages(
  repository: string,
  directory: string,
  environment: Readonly<Record<string, string>> = {},
  options: readonly string[] = [],
): Promise<Packages> {
  await run('scripts/package', ['--arch', 'amd64', '--compression', 'none', ...options, directory], {
    cwd: repository,
    env: { ...process.env, SOURCE_DATE_EPOCH: '1760000000', ...environment },
  })
  return {
    deb: join(directory, `node-bootstrap_${VERSION}_amd64.deb`),
    rpm: join(directory, `node-bootstrap-${VERSION}-1.x86_64.rpm`),
  }
}
