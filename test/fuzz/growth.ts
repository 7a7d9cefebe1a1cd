/** How the work of a parser grows with its input: one piece, repeated to three sizes. */
import type { ExecutionCounter } from '../harness/execution.ts'
import type { Parser } from '../harness/parsers.ts'

export interface Shape {
  before: Uint8Array
  /** What is repeated. */
  unit: Uint8Array
  after: Uint8Array
}

export const enlarged = ({ before, unit, after }: Shape, sizeBytes: number): Uint8Array =>
  Buffer.concat([before, Buffer.alloc(sizeBytes, unit), after])

/** Twice the input is twice the work; four times would be its square. */
const LINEAR = 3
/** Below this, the fixed costs of a call hide everything. */
const NEGLIGIBLE_STEPS = 20_000
/** Fewer for the smallest input are a refusal at its beginning, and the others cannot be compared with it. */
const REFUSAL_STEPS = 300

/** What it throws is looked at elsewhere; here only what it costs. */
async function settle(parser: Parser, input: Uint8Array): Promise<void> {
  try {
    await parser.parse(input)
  } catch {
    return
  }
}

/** A sentence where the steps grow faster than the input does; undefined where they do not. */
export async function stepGrowth(
  parser: Parser,
  counter: ExecutionCounter,
  shape: Shape,
  sizeBytes: number,
): Promise<string | undefined> {
  const steps: number[] = []
  await settle(parser, enlarged(shape, sizeBytes))
  for (const factor of [1, 2, 4]) {
    const input = enlarged(shape, factor * sizeBytes)
    counter.take()
    await settle(parser, input)
    steps.push(counter.take().steps)
  }
  const [one = 0, two = 0, four = 0] = steps
  if (one < REFUSAL_STEPS || four - two <= LINEAR * Math.max(two - one, 0) + NEGLIGIBLE_STEPS) return undefined
  return `${parser.name}: ${steps.join(', ')} steps for ${sizeBytes}, ${2 * sizeBytes} and ${4 * sizeBytes} bytes`
}

/** A parser that is done within this is quick enough, whatever its curve. */
const NEGLIGIBLE_MS = 150
/** Four times the input may take ten times as long: linear work on a noisy machine does not, and quadratic work takes 16. */
const GENEROUS = 10
const REFUSAL_MS = 2

/** As `stepGrowth`, by the CPU time of this process: it sees into regular expressions and OpenSSL, and is never exact. */
export async function timeGrowth(parser: Parser, shape: Shape, sizeBytes: number): Promise<string | undefined> {
  const cpuMs = async (size: number): Promise<number> => {
    const input = enlarged(shape, size)
    const before = process.cpuUsage()
    await settle(parser, input)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  }
  const long = await cpuMs(4 * sizeBytes)
  if (long < NEGLIGIBLE_MS) return undefined
  const short = Math.max(await cpuMs(sizeBytes), await cpuMs(sizeBytes))
  if (short < REFUSAL_MS || long <= GENEROUS * short) return undefined
  return `${parser.name}: ${short.toFixed(0)} ms for ${sizeBytes} bytes, ${long.toFixed(0)} ms for ${4 * sizeBytes}`
}
