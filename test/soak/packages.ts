/** The packages as they are shipped, in xz and for each architecture: built twice, the same to the byte, and held to lintian and rpmlint. */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildPackages, buildPackagesElsewhere } from '../harness/packages.ts'

const run = promisify(execFile)
const repository = join(import.meta.dirname, '../..')

export interface ShippedPackage {
  name: string
  sizeBytes: number
}

/** Each that is one byte for byte with the same from elsewhere. Throws where one differs, or is not there, or has a complaint. */
export async function provePackages(directory: string): Promise<ShippedPackage[]> {
  const [, elsewhere] = await Promise.all([buildPackages(directory, []), buildPackagesElsewhere([])])
  const proven: ShippedPackage[] = []
  for (const name of (await readdir(directory)).sort()) {
    const bytes = await readFile(join(directory, name))
    if (!bytes.equals(await readFile(join(elsewhere, name)))) throw new Error(`${name} differs, built elsewhere`)
    proven.push({ name, sizeBytes: bytes.length })
  }
  if (proven.length !== 4)
    throw new Error(`${proven.length} packages in place of a .deb and an .rpm of two architectures`)
  await run('scripts/lint-packages', [directory], { cwd: repository, maxBuffer: 1 << 24 })
  return proven
}
