/**
 * Runs the program of a bundle as its entry does, and keeps what V8 has compiled by the end of the run.
 * Usage: node scripts/record-code-cache.ts DIRECTORY ARGUMENT...
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Script } from 'node:vm'
import { codeCachePath, programPath } from './code-cache-paths.ts'
import './v8-flags.ts'

const [node = '', , directory = '', ...rest] = process.argv
const fileName = programPath(directory)
process.argv = [node, fileName, ...rest]
const script = new Script(readFileSync(fileName, 'latin1'), { filename: fileName })
process.once('exit', () => {
  writeFileSync(codeCachePath(directory), script.createCachedData())
})
const program = script.runInThisContext() as (...environment: unknown[]) => void
program({}, createRequire(fileName), {}, fileName, directory)
