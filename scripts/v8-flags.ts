/**
 * Importing this makes V8 economical, in the program and where its code cache is made: V8 refuses a cache of other flags. What
 * runs once, or once a minute, never repays what compilers to machine code take, and is not kept compiled: docs/adr/0006.
 */
import { setFlagsFromString } from 'node:v8'

const FLAGS = [
  '--no-opt',
  '--no-maglev',
  '--no-sparkplug',
  '--bytecode-old-age=1',
  // What a function learns of its operands is for those compilers.
  '--invocation-count-for-feedback-allocation=100000',
  // The young generation neither grows nor is it filled: a turn of the loop leaves its garbage where the last one did.
  '--semi-space-growth-factor=1',
  '--minor-gc-task-trigger=10',
]
for (const flag of FLAGS) setFlagsFromString(flag)
