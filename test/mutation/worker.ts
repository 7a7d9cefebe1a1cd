/** Runs test files against one mutant after the other in one process: what is loaded once is run many times. */
import mocha from 'mocha'
import { pathToFileURL } from 'node:url'

export interface Task {
  id: number
  /** Asked in turn, until one fails. */
  tests: readonly string[]
}

export interface Verdict {
  id: number
  /** The test that failed; undefined where all passed. */
  killedBy: string | undefined
}

const loaded = new Map<string, mocha>()

async function load(path: string): Promise<mocha> {
  const known = loaded.get(path)
  if (known !== undefined) return known
  const runner = new mocha({ bail: true, timeout: 20_000, reporter: mocha.reporters.Base, checkLeaks: false })
  runner.cleanReferencesAfterRun(false)
  runner.addFile(path)
  await runner.loadFilesAsync()
  loaded.set(path, runner)
  return runner
}

/** The title of the first test that fails. */
async function firstFailure(path: string): Promise<string | undefined> {
  const runner = await load(path)
  return new Promise((resolve) => {
    let title: string | undefined
    runner
      .run(() => {
        resolve(title)
      })
      .on('fail', (test: { fullTitle: () => string }) => {
        title ??= test.fullTitle()
      })
  })
}

async function judge({ id, tests }: Task): Promise<Verdict> {
  Object.assign(globalThis, { mutantInForce: id })
  for (const path of tests) {
    const killedBy = await firstFailure(path)
    if (killedBy !== undefined) return { id, killedBy }
  }
  return { id, killedBy: undefined }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.chdir(new URL('../..', import.meta.url).pathname)
  process.on('message', (task: Task) => {
    void judge(task).then((verdict) => process.send?.(verdict))
  })
}
