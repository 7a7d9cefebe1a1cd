/**
 * What a call executes, as V8 counts it: which blocks of code, and how often each. Unlike time, the same on every machine.
 * Only JavaScript is counted; what a regular expression or OpenSSL does is one step.
 */
import { Session, type Profiler } from 'node:inspector'

export interface Execution {
  /** Blocks that ran, each by its script and place. */
  blocks: Set<string>
  /** How often all of them ran, together. */
  steps: number
}

/** Of the program and of the libraries that it parses with; the tests' own code does not count. */
const isCounted = (url: string): boolean => url.startsWith('file:') && !url.includes('/test/')

export class ExecutionCounter implements Disposable {
  readonly #session = new Session()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Everything since the last call. */
  take(): Execution {
    let scripts: Profiler.ScriptCoverage[] = []
    // In one process the answer comes before `post` returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error
      scripts = result
    })
    const execution: Execution = { blocks: new Set(), steps: 0 }
    for (const { url, functions } of scripts.filter((script) => isCounted(script.url)))
      for (const { startOffset, endOffset, count } of functions.flatMap(({ ranges }) => ranges)) {
        if (count === 0) continue
        execution.steps += count
        execution.blocks.add(`${url}:${startOffset}-${endOffset}`)
      }
    return execution
  }

  [Symbol.dispose](): void {
    this.#session.post('Profiler.stopPreciseCoverage')
    this.#session.disconnect()
  }
}
