/**
 * Importing this turns V8's compilers to machine code off, in the program and where its code cache is made: V8 refuses a cache
 * of other flags. What runs once, or once a minute, never repays what they and their code take at rest: docs/adr/0006.
 */
import { setFlagsFromString } from 'node:v8'

for (const flag of ['--no-opt', '--no-maglev', '--no-sparkplug']) setFlagsFromString(flag)
