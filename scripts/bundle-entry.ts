#!/usr/bin/env node
/**
 * The bundle's entry: starts program.cjs with what V8 had compiled of it when the bundle was made, so that it need not be
 * compiled again. V8 refuses what another version, other flags or another program have left: then it compiles.
 */
import { readFileSync } from 'node:fs'
import { Script } from 'node:vm'
import { codeCachePath, PROGRAM, programPath } from './code-cache-paths.ts'
import './v8-flags.ts'

type Program = (
  exports: object,
  require: NodeJS.Require,
  module: NodeJS.Module,
  fileName: string,
  directory: string,
) => void

function readCodeCache(): Buffer | undefined {
  try {
    return readFileSync(codeCachePath(__dirname))
  } catch {
    return undefined
  }
}

const fileName = programPath(__dirname)
// esbuild writes ASCII, and Latin-1 is what V8 reads fastest.
const script = new Script(readFileSync(fileName, 'latin1'), { filename: PROGRAM, cachedData: readCodeCache() })
const program = script.runInThisContext() as Program
program({}, require, module, fileName, __dirname)
