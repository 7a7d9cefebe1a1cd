/** What takes too long for a test: the long forms, one part after the other, and their figures at the end. It stops for no failure. */
import { parseArgs } from 'node:util'
import { parts, partNames, type PartName } from './parts.ts'

const HELP = `scripts/soak [--renewals N] [--sequences N] [PART...]

The long forms of what scripts/test has short forms of; without a PART all of them, one after the other:

  crash     every effect of a join, with a serving certificate too, a renewal, a re-join and a CA rotation is a point of
            SIGKILL, and of a power cut; power cuts also of hooks, denials, edits, a discovery anew and what is put back
  model     random sequences of what can happen to a node: 1000, or --sequences N; MODEL_SEED=N for the same again
  faults    each write that fails in turn, a network that stays bad until the pauses are as long as they get, the clocks
  supply    from a new token in tokenFile or join.yaml to the request of a node that had lost everything, five times each;
            fails where the median is above a second
  renewals  ten-minute certificates of a real control plane, 3 or --renewals N, while a second process asks ten times a second
  packages  in xz and for both architectures: built twice and compared, byte for byte, and held to lintian and rpmlint

On two quiet cores about three quarters of an hour; each test has its own limit. It ends with the figures of each part.
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    renewals: { type: 'string', default: '3' },
    sequences: { type: 'string', default: '1000' },
    help: { type: 'boolean', default: false },
  },
})

function countOf(option: 'renewals' | 'sequences'): number {
  const count = Number(values[option])
  if (!Number.isInteger(count) || count < 1) throw new Error(`--${option} ${values[option]}: a number from 1 on`)
  return count
}

function chosenParts(): readonly PartName[] {
  const unknown = positionals.find((name) => !partNames.some((known) => known === name))
  if (unknown !== undefined) throw new Error(`there is no part ${unknown}; there are ${partNames.join(', ')}`)
  return positionals.length === 0 ? partNames : partNames.filter((name) => positionals.includes(name))
}

async function main(): Promise<number> {
  const options = { renewals: countOf('renewals'), sequences: countOf('sequences') }
  const lines: string[] = []
  let failed = 0
  for (const name of chosenParts()) {
    console.log(`== ${name}`)
    const beganMs = performance.now()
    const { hasPassed, figures } = await parts[name](options).catch((thrown: unknown) => {
      console.log(thrown)
      return { hasPassed: false, figures: [] }
    })
    if (!hasPassed) failed += 1
    const minutes = ((performance.now() - beganMs) / 60_000).toFixed(1)
    lines.push(
      `${name}: ${hasPassed ? 'passed' : 'FAILED'} in ${minutes} min`,
      ...figures.map((figure) => `  ${figure}`),
    )
  }
  console.log(['', ...lines].join('\n'))
  return failed
}

if (values.help) process.stdout.write(HELP)
else process.exitCode = (await main()) === 0 ? 0 : 1
