/** Fuzzes each parser for a bounded time and looks at how its work grows. `scripts/fuzz --help` says how it is called. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { ExecutionCounter } from '../harness/execution.ts'
import type { Parser } from '../harness/parsers.ts'
import { corpus, corpusDirectory, corpusName, findingOf, fuzz, type Finding } from './fuzz.ts'
import { enlarged, stepGrowth, timeGrowth } from './growth.ts'
import { randomFrom } from './mutation.ts'

// V8 counts the blocks only of what is compiled after this: the parsers are loaded behind it.
const counter = new ExecutionCounter()
const { parsers } = await import('../harness/parsers.ts')

const HELP = `scripts/fuzz [--seconds N | --inputs N] [--seed N] [--save] [PARSER...]

  --seconds N   for each parser; 10 by default
  --inputs N    for each parser, whatever time they take; then nothing is judged by time either
  --seed N      repeats a run, as far as time allows; printed at the start
  --save        adds to test/fuzz/corpus what executed code that nothing in it executes
  PARSER        ${parsers.map(({ name }) => name).join(', ')}; all of them by default
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    inputs: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    save: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

/** Of an input that shows how the work grows, at its smallest; four times as much is the largest. */
const SIZES = { steps: 2 * 1024, time: 48 * 1024 }
const SHAPES = 8

function report(parser: Parser, { input, thrown }: Finding): void {
  console.log(`  FOUND: ${parser.name} threw ${thrown instanceof Error ? (thrown.stack ?? '') : String(thrown)}`)
  console.log(`  for, in base64: ${Buffer.from(input).toString('base64')}`)
}

const holdsKey = (bytes: Buffer): boolean => bytes.includes('PRIVATE KEY')

/** Without keys, which the corpus must not hold, and no longer than a reader would look at. */
const isWorthKeeping = (input: Uint8Array): boolean =>
  input.length <= 2048 &&
  !holdsKey(Buffer.from(input)) &&
  !holdsKey(Buffer.from(Buffer.from(input).toString(), 'base64'))

function save(parser: Parser, inputs: readonly Uint8Array[]): void {
  const directory = corpusDirectory(parser)
  mkdirSync(directory, { recursive: true })
  for (const input of inputs.filter(isWorthKeeping)) writeFileSync(new URL(corpusName(input), directory), input)
}

/** Any part of any input, repeated behind any beginning and before any end. */
async function growthProblems(parser: Parser, seed: number): Promise<string[]> {
  const random = randomFrom(seed)
  const inputs = [...parser.seeds, ...corpus(parser)]
  const problems: (string | undefined)[] = []
  for (let left = SHAPES; left > 0; left -= 1) {
    const input = inputs[random(inputs.length)] ?? Buffer.of(0)
    const from = random(input.length)
    const to = from + 1 + random(Math.min(24, input.length - from))
    const shape = { before: input.subarray(0, from), unit: input.subarray(from, to), after: input.subarray(to) }
    const finding = await findingOf(parser, enlarged(shape, 4 * SIZES.time))
    if (finding !== undefined)
      problems.push(`threw ${String(finding.thrown)} for many ${JSON.stringify(Buffer.from(shape.unit).toString())}`)
    problems.push(await stepGrowth(parser, counter, shape, SIZES.steps))
    if (values.inputs === undefined) problems.push(await timeGrowth(parser, shape, SIZES.time))
  }
  return problems.filter((problem) => problem !== undefined)
}

async function run(chosen: readonly Parser[], seed: number): Promise<number> {
  let findings = 0
  for (const parser of chosen) {
    const endMs = performance.now() + Number(values.seconds) * 1000
    const { inputs } = values
    const goOn = (done: number): boolean => (inputs === undefined ? performance.now() < endMs : done < Number(inputs))
    const result = await fuzz(parser, counter, { seed, goOn })
    const problems = await growthProblems(parser, seed)
    const { executions, blocks, discovered, finding } = result
    console.log(`${parser.name}: ${executions} inputs, ${blocks} blocks, ${discovered.length} of them new`)
    if (finding !== undefined) report(parser, finding)
    for (const problem of problems) console.log(`  FOUND: ${problem}`)
    findings += problems.length + (finding === undefined ? 0 : 1)
    if (values.save) save(parser, discovered)
  }
  return findings
}

const chosen = parsers.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
if (values.help) process.stdout.write(HELP)
else {
  console.log(`seed ${values.seed}`)
  const findings = await run(chosen, Number(values.seed))
  console.log(`${chosen.length} parsers, ${findings} findings`)
  process.exitCode = findings === 0 ? 0 : 1
}
