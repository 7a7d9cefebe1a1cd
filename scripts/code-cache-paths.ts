/** Where the bundle's program lies and what V8 compiled of it. */
import { join } from 'node:path'

export const PROGRAM = 'program.cjs'

export const programPath = (directory: string): string => join(directory, PROGRAM)

/** Its name says which Node.js may read it: V8 itself does not look at the architecture. */
export const codeCachePath = (directory: string): string =>
  join(directory, `program-${process.version}-${process.arch}.cache`)
