/**
 * Compiles a bundle, the whole of it, and keeps beside it what V8 made of it: docs/adr/0006. Nothing of the program is run, and
 * the same bundle and Node.js give the same bytes under `node --random-seed=1`, without which V8 draws some at random, and without
 * NODE_COMPILE_CACHE, with which this file is stripped of its types only once, a work that leaves other bytes behind.
 * Usage: node --random-seed=1 scripts/code-cache.ts [DIRECTORY]
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'
import { codeCachePath, PROGRAM, programPath } from './code-cache-paths.ts'
import './v8-flags.ts'

const directory = process.argv[2] ?? join(import.meta.dirname, '../dist')
const source = readFileSync(programPath(directory), 'latin1')
// Not only what a script calls at its top level. V8 refuses a cache of other flags: they are as before when it is written.
setFlagsFromString('--no-lazy')
// The name is part of the bytes, and where the bundle lies must not be.
const script = new Script(source, { filename: PROGRAM })
setFlagsFromString('--lazy')
writeFileSync(codeCachePath(directory), script.createCachedData())
