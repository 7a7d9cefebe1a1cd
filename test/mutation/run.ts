/** Takes every check and every sync away, one at a time, in a scratch copy, and expects a test to fail each time. `scripts/mutate --help`. */
import { fork, type ChildProcess } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { mutateSource, type Excused, type Mutant } from './mutants.ts'
import { excused, listed, targets } from './targets.ts'
import type { Task, Verdict } from './worker.ts'

const HELP = `scripts/mutate [--list] [FILE...]

  --list    only shows the mutants
  FILE      of src; by default all of ${Object.keys(targets).length} files
`
const REPOSITORY = new URL('../..', import.meta.url).pathname
const WORKERS = 2
/** A mutant that takes the tests this long has broken a loop: that is noticed, too. */
const STALLED_MS = 120_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { list: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
})

interface Plan {
  mutants: Mutant[]
  /** What makes the list of mutants itself untrue. */
  faults: string[]
}

/** Writes the mutated sources over those of the copy. */
function prepare(copies: readonly string[], files: readonly string[]): Plan {
  const plan: Plan = { mutants: [], faults: [] }
  for (const file of files) {
    const source = readFileSync(join(REPOSITORY, file), 'utf8')
    const { text, mutants, stale } = mutateSource(file, source, listed, plan.mutants.length + 1)
    plan.mutants.push(...mutants)
    plan.faults.push(...stale.map(({ expression }) => `${file}: not there exactly once: ${expression}`))
    for (const copy of copies) writeFileSync(join(copy, file), text)
  }
  const isExcuse = ({ file, code }: Excused): boolean =>
    plan.mutants.some((mutant) => mutant.file === file && mutant.code === code)
  const unused = excused.filter((excuse) => files.includes(excuse.file) && !isExcuse(excuse))
  plan.faults.push(...unused.map(({ file, code }) => `${file}: nothing to excuse any more: ${code}`))
  return plan
}

function scratchCopy(): string {
  const copy = mkdtempSync(join(tmpdir(), 'node-bootstrap-mutants-'))
  process.once('exit', () => {
    rmSync(copy, { recursive: true, force: true })
  })
  for (const name of ['src', 'test', 'packaging', 'docs', 'scripts', 'package.json', 'README.md'])
    cpSync(join(REPOSITORY, name), join(copy, name), { recursive: true })
  symlinkSync(join(REPOSITORY, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** One process in one copy, replaced where a mutant has hung or ended it. */
class Judge {
  readonly #copy: string
  #child: ChildProcess | undefined

  constructor(copy: string) {
    this.#copy = copy
  }

  async verdict(task: Task): Promise<Verdict> {
    const child = (this.#child ??= fork(join(this.#copy, 'test/mutation/worker.ts'), { cwd: this.#copy, silent: true }))
    child.stdout?.resume()
    child.stderr?.resume()
    const { promise, resolve } = Promise.withResolvers<Verdict>()
    const lost = (how: string) => () => {
      this.stop()
      resolve({ id: task.id, killedBy: how })
    }
    const timer = setTimeout(lost('the tests hung'), STALLED_MS)
    const ended = lost('the tests’ process ended')
    child.once('exit', ended).once('message', resolve)
    child.send(task)
    const verdict = await promise
    clearTimeout(timer)
    child.off('exit', ended).off('message', resolve)
    return verdict
  }

  stop(): void {
    this.#child?.kill('SIGKILL')
    this.#child = undefined
  }
}

const describeMutant = ({ file, line, code, becomes }: Mutant): string => `${file}:${line}: ${code}  →  ${becomes}`

async function judgeAll(copies: readonly string[], mutants: readonly Mutant[]): Promise<Mutant[]> {
  const queue = mutants.values()
  const survivors: Mutant[] = []
  const work = async (copy: string): Promise<void> => {
    const judge = new Judge(copy)
    for (const mutant of queue) {
      const { killedBy } = await judge.verdict({ id: mutant.id, tests: targets[mutant.file] ?? [] })
      if (killedBy === undefined) survivors.push(mutant)
      if (killedBy === undefined) console.log(`SURVIVED  ${describeMutant(mutant)}`)
    }
    judge.stop()
  }
  await Promise.all(copies.map(work))
  return survivors
}

async function main(): Promise<number> {
  const files = Object.keys(targets).filter((file) => positionals.length === 0 || positionals.includes(file))
  const copies = values.list ? [] : Array.from({ length: WORKERS }, scratchCopy)
  const { mutants, faults } = prepare(copies, files)
  for (const fault of faults) console.log(`STALE  ${fault}`)
  if (values.list) {
    for (const mutant of mutants) console.log(describeMutant(mutant))
    return faults.length
  }
  const isExcused = (mutant: Mutant): boolean =>
    excused.some(({ file, code }) => file === mutant.file && code === mutant.code)
  const judged = mutants.filter((mutant) => !isExcused(mutant))
  // Unmutated, everything must pass: else whatever is killed was dead before.
  const judge = new Judge(copies[0] ?? '')
  const sound = await judge.verdict({ id: 0, tests: [...new Set(files.flatMap((file) => targets[file] ?? []))] })
  judge.stop()
  if (sound.killedBy !== undefined) console.log(`BROKEN  without any mutation: ${sound.killedBy}`)
  const survivors = sound.killedBy === undefined ? await judgeAll(copies, judged) : judged
  console.log(`${mutants.length - judged.length} excused, each with its reason in test/mutation/targets.ts`)
  console.log(`${judged.length} mutations, ${judged.length - survivors.length} killed`)
  return survivors.length + faults.length
}

if (values.help) process.stdout.write(HELP)
else process.exitCode = (await main()) === 0 ? 0 : 1
