/**
 * Coverage-guided fuzzing of one parser: what an input newly executes makes it a parent of further ones. V8 itself counts
 * the blocks, so that the sources run as they are; a native fuzzer would bring its own build and an instrumented copy.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { ExecutionCounter } from '../harness/execution.ts'
import type { Parser } from '../harness/parsers.ts'
import { mutate, randomFrom } from './mutation.ts'

/** Longer ones find nothing that these do not, and take their time. */
const MAX_INPUT_BYTES = 8 * 1024
/** Inputs that share one look at the coverage: a look costs more than a parse. */
const BATCH = 48

export const corpusDirectory = (parser: Parser): URL => new URL(`corpus/${parser.name}/`, import.meta.url)

/** Inputs that earlier runs found worth keeping; each is replayed by the tests. */
export function corpus(parser: Parser): Uint8Array[] {
  const directory = corpusDirectory(parser)
  return existsSync(directory)
    ? readdirSync(directory)
        .toSorted()
        .map((name) => readFileSync(new URL(name, directory)))
    : []
}

export const corpusName = (input: Uint8Array): string => createHash('sha256').update(input).digest('hex').slice(0, 12)

export interface Finding {
  input: Uint8Array
  thrown: unknown
}

/** What is wrong with how `parser` takes `input`; undefined where it returns, or throws what it may. */
export async function findingOf(parser: Parser, input: Uint8Array): Promise<Finding | undefined> {
  try {
    await parser.parse(input)
    return undefined
  } catch (thrown) {
    return parser.isExpected(thrown) ? undefined : { input, thrown }
  }
}

export interface FuzzOptions {
  seed: number
  /** Asked before each batch, with the number of inputs so far. */
  goOn: (executions: number) => boolean
}

export interface FuzzResult {
  executions: number
  /** Blocks that any input executed. */
  blocks: number
  /** Inputs that executed something new, in the order in which they were found. */
  discovered: Uint8Array[]
  finding: Finding | undefined
}

export async function fuzz(parser: Parser, counter: ExecutionCounter, options: FuzzOptions): Promise<FuzzResult> {
  const random = randomFrom(options.seed)
  const parents = [...parser.seeds, ...corpus(parser)]
  const known = new Set<string>()
  const result: FuzzResult = { executions: 0, blocks: 0, discovered: [], finding: undefined }
  /** False where one of them ended the run. */
  const execute = async (inputs: readonly Uint8Array[]): Promise<boolean> => {
    for (const input of inputs) {
      result.executions += 1
      result.finding ??= await findingOf(parser, input)
    }
    return result.finding === undefined
  }
  const isNews = (): boolean => {
    const before = known.size
    for (const block of counter.take().blocks) known.add(block)
    return known.size > before
  }
  const pick = (): Uint8Array => parents[random(parents.length)] ?? Buffer.alloc(0)

  counter.take()
  // Twice, because a first call also loads what later ones find loaded.
  await execute([...parents, ...parents])
  isNews()
  while (result.finding === undefined && options.goOn(result.executions)) {
    const batch = Array.from({ length: BATCH }, () => mutate(pick(), pick(), random, MAX_INPUT_BYTES))
    if (!(await execute(batch))) break
    const { blocks } = counter.take()
    if ([...blocks].every((block) => known.has(block))) continue
    for (const input of batch) {
      if (!(await execute([input]))) break
      if (!isNews()) continue
      parents.push(input)
      result.discovered.push(input)
    }
  }
  result.blocks = known.size
  return result
}
