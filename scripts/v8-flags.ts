/**
 * Importing this makes V8 economical, in the program and where its code cache is made: V8 refuses a cache of other flags. What
 * runs once, or once a minute, never repays what compilers to machine code take, and is not kept compiled: docs/adr/0006.
 */
import { setFlagsFromString } from 'node:v8'

const FLAGS = ['--no-opt', '--no-maglev', '--no-sparkplug', '--bytecode-old-age=1', '--semi-space-growth-factor=1']
for (const flag of FLAGS) setFlagsFromString(flag)
