/** The packages of this source: without compression, which takes seconds, or as they are shipped. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { VERSION } from '../../src/lib/version.ts'
import { removeDirectoryAtExit } from './child-process.ts'

const run = promisify(execFile)
const repository = join(import.meta.dirname, '../..')

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
    await buildPackages(directory, [...IN_SECONDS, '--also-as', PREVIOUS_VERSION])
    return { ...packagesIn(directory), previousRpm: join(directory, `node-bootstrap-${PREVIOUS_VERSION}-1.x86_64.rpm`) }
  })
  return packages
}

export const packagesIn = (directory: string): Packages => ({
  deb: join(directory, `node-bootstrap_${VERSION}_amd64.deb`),
  rpm: join(directory, `node-bootstrap-${VERSION}-1.x86_64.rpm`),
})

/** Options of scripts/package. */
export const IN_SECONDS = ['--arch', 'amd64', '--compression', 'none'] as const

/** What the packages are made of. */
const SOURCES = [
  ...['docs', 'packaging', 'scripts', 'src', 'node_modules'],
  ...['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json', 'package-lock.json', 'tsconfig.json'],
]

/** Resolves with the directory: the same source, built elsewhere, later, with another umask, time zone, locale and settings of Node.js. */
export async function buildPackagesElsewhere(options: readonly string[]): Promise<string> {
  // On the same file system, so that its files can be links.
  await mkdir(join(repository, '.cache'), { recursive: true })
  const elsewhere = await mkdtemp(join(repository, '.cache/elsewhere '))
  removeDirectoryAtExit(elsewhere)
  await run('cp', ['--recursive', '--link', ...SOURCES.map((name) => join(repository, name)), elsewhere])
  const directory = join(elsewhere, 'packages')
  const environment = {
    TZ: 'Asia/Tokyo',
    LC_ALL: 'C',
    LANG: 'de_DE.UTF-8',
    NODE_COMPILE_CACHE: join(elsewhere, 'compiled'),
    NODE_OPTIONS: '--stack-trace-limit=5',
  }
  const umask = process.umask(0o077)
  const building = buildPackages(directory, options, elsewhere, environment)
  process.umask(umask)
  await building
  return directory
}

/** From the source in `source`; whatever the environment, the same source is to give the same bytes. */
export async function buildPackages(
  directory: string,
  options: readonly string[],
  source = repository,
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  await run('scripts/package', [...options, directory], {
    cwd: source,
    env: { ...process.env, SOURCE_DATE_EPOCH: '1760000000', ...environment },
    maxBuffer: 1 << 24,
  })
}
