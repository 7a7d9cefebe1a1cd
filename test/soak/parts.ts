/** The parts of scripts/soak: those that are tests with more to do, and those that measure. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { median, range } from '../bench/statistics.ts'
import { startEmbeddedControlPlane } from '../harness/embedded-control-plane.ts'
import { startRealControlPlane } from '../harness/real-control-plane.ts'
import { temporaryDirectory } from '../harness/temporary-directory.ts'
import { provePackages } from './packages.ts'
import { LIFETIME_MS, renewWhileAsked } from './renewals.ts'
import { supplyTokens, type Place } from './supply.ts'

export interface PartOptions {
  renewals: number
  sequences: number
}

export interface Outcome {
  hasPassed: boolean
  /** Sentences for docs/reliability.md. */
  figures: readonly string[]
}

export const partNames = ['crash', 'model', 'faults', 'supply', 'renewals', 'packages'] as const
export type PartName = (typeof partNames)[number]

export const parts: Readonly<Record<PartName, (options: PartOptions) => Promise<Outcome>>> = {
  crash: () => mocha('test/crash/*.test.ts', { CRASH: 'all' }),
  model: ({ sequences }) => mocha('test/model/*.test.ts', { MODEL_SEQUENCES: String(sequences) }),
  faults: () => mocha('test/faults/*.test.ts', { FAULTS: 'all' }),
  supply,
  renewals,
  packages,
}

/** Of the files that `pattern` matches; its results are shown as they come. */
async function mocha(pattern: string, env: Readonly<Record<string, string>>): Promise<Outcome> {
  await using directory = await temporaryDirectory()
  const figuresPath = join(directory.path, 'figures')
  const countsPath = join(directory.path, 'counts')
  const child = spawn('mocha', [pattern], {
    env: { ...process.env, ...env, TEST_FIGURES: figuresPath, TEST_COUNTS: countsPath },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  const [passed, failed, skipped] = textOf(countsPath).split(/\s/)
  const figures = [
    `${passed ?? 0} tests passed, ${failed ?? 0} failed, ${skipped ?? 0} skipped`,
    ...textOf(figuresPath).split('\n').filter(Boolean),
  ]
  return { hasPassed: code === 0, figures }
}

/** Empty where a run has ended without a word. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** As many as the budget of keys of an hour allows after the join. */
const SUPPLIES = 5
/** What a node without a certificate may lose of its time once it has a credential. A measurement: no test asserts a time. */
const LONGEST_SUPPLY_MS = 1000

async function supply(): Promise<Outcome> {
  const figures: string[] = []
  let hasPassed = true
  for (const place of ['tokenFile', 'join.yaml'] satisfies Place[]) {
    await using directory = await temporaryDirectory()
    const controlPlane = await startEmbeddedControlPlane()
    try {
      const delaysMs = await supplyTokens({ controlPlane, directory: directory.path, place, runs: SUPPLIES })
      const isSoon = median(delaysMs) <= LONGEST_SUPPLY_MS
      if (!isSoon) hasPassed = false
      const verdict = isSoon ? '' : `: TOO LATE, the median is to be ${LONGEST_SUPPLY_MS} ms at most`
      figures.push(`${place} to request: ${range(delaysMs)} ms in ${delaysMs.length} runs${verdict}`)
    } finally {
      await controlPlane.stop()
    }
  }
  return { hasPassed, figures }
}

async function renewals({ renewals: count }: PartOptions): Promise<Outcome> {
  await using directory = await temporaryDirectory()
  const controlPlane = await startRealControlPlane({ certificateDurationMs: LIFETIME_MS })
  try {
    console.log(`kube-apiserver ${controlPlane.version}; ${count} renewals; ten requests a second`)
    const { asked, failed, failures, answered } = await renewWhileAsked({
      controlPlane,
      directory: directory.path,
      renewals: count,
      deadlineMs: LIFETIME_MS,
      onCertificate: ({ serialNumber, validFromDate, validToDate }) => {
        const lifetimeS = (validToDate.getTime() - validFromDate.getTime()) / 1000
        const nowMs = Date.now()
        const ageS = Math.round((nowMs - validFromDate.getTime()) / 1000)
        const leftS = Math.round((validToDate.getTime() - nowMs) / 1000)
        console.log(
          `${new Date(nowMs).toISOString()} ${serialNumber} in force: a lifetime of ${lifetimeS} s, ${ageS} s after notBefore, ${leftS} s before notAfter`,
        )
      },
    })
    for (const failure of failures) console.log(`failed: ${failure}`)
    for (const [serialNumber, good] of answered) console.log(`${serialNumber}: ${good} good answers`)
    return { hasPassed: failed === 0, figures: [`${count} renewals, ${asked} requests, ${failed} failed`] }
  } finally {
    await controlPlane.stop()
  }
}

async function packages(): Promise<Outcome> {
  await using directory = await temporaryDirectory()
  const figures = (await provePackages(directory.path)).map(
    ({ name, sizeBytes }) =>
      `${name}: ${(sizeBytes / 1e6).toFixed(1)} MB, built twice, the same to the byte; no complaint`,
  )
  return { hasPassed: true, figures }
}
