/**
 * Gives back memory that nothing uses any more. V8 would keep it for as long as there is little to do: a day of looks at the
 * cluster's CA took 15 MB. It looks at nothing that the program keeps.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (how: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void

let collect: Collect | undefined

/** Blocks for some 50 ms. */
export function collectGarbage(): void {
  collect ??= exposed()
  // What is called the last resort is the one way in which V8 gives up the pages too.
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}

/** V8 has the function in contexts that are made while it is told so; a flag that stays would cost Node.js its code cache. */
function exposed(): Collect {
  setFlagsFromString('--expose-gc')
  try {
    return runInNewContext('gc') as Collect
  } finally {
    setFlagsFromString('--no-expose-gc')
  }
}
