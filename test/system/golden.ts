/**
 * What an operator reads, as golden files: systemctl status, the journal and node-bootstrap status, without what differs from
 * run to run. `UPDATE_GOLDEN=1` writes them anew.
 */
import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Machine } from '../harness/machine.ts'
import { nodeStatus, systemdIsTold } from './scene.ts'

const directory = join(import.meta.dirname, 'golden')

/** The journal is what has come since the last call or the last boot. */
export async function operatorSees(machine: Machine): Promise<string> {
  const { summary } = (await nodeStatus(machine)) ?? {}
  if (summary !== undefined) await systemdIsTold(machine, summary)
  const status = await seen(machine, 'systemctl status --lines=0 node-bootstrap')
  const { stdout } = await machine.attempt(
    'journalctl --unit=node-bootstrap --boot --quiet --cursor-file=/run/golden-cursor',
  )
  const own = await seen(machine, 'node-bootstrap status')
  return `${status}\n$ journalctl --unit=node-bootstrap\n${linesOf(normalised(stdout))}\n${own}`
}

async function seen(machine: Machine, command: string): Promise<string> {
  const { status, stdout, stderr } = await machine.attempt(command)
  return `$ ${command}\n${normalised(stdout)}${normalised(stderr)}exit status ${status}\n`
}

/** Those of the service manager first, for they race with the agent's; what is said again and again is there once. */
function linesOf(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '')
  const isManagers = (line: string): boolean => line.includes(' systemd[')
  const ordered = [...lines.filter(isManagers), ...lines.filter((line) => !isManagers(line))]
  return ordered
    .filter((line, index) => line !== ordered[index - 1])
    .map((line) => `${line}\n`)
    .join('')
}

/** In this order. */
const VARIABLE: readonly (readonly [RegExp, string])[] = [
  [/^ +(Tasks|Memory|CPU|CGroup|IO|IP): .*\n/gm, ''],
  [/^ +[├└]─.*\n/gm, ''],
  // What a container without a control group of its own adds.
  [/^.*(Failed to kill control group|Failed to dump process list).*\n/gm, ''],
  [/^.*: Consumed .* CPU time.*\n/gm, ''],
  [/^[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d/gm, 'TIME'],
  [/[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, 'TIME'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, 'TIME'],
  [/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d/g, 'TIME'],
  [/(?<=Duration: ).*/g, 'SPAN'],
  [/\b\d+(d|h|min|m|s|ms)( \d+(h|min|m|s|ms))?(?= ago|\))/g, 'SPAN'],
  [/(?<=in )\d+(d|h|m|s)( \d+(h|m|s))?/g, 'SPAN'],
  [/(?<=next attempt )(in SPAN|SPAN ago)/g, 'SOON'],
  [/(?<=retryInSeconds=)[\d.]+/g, 'N'],
  [/(?<=node-bootstrap|is-configured|systemd|node)\[\d+\](?=:)/g, '[PID]'],
  [/(?<=PID: |pid |Process: )\d+/g, 'PID'],
  [/(?<=127\.0\.0\.1:)\d+/g, 'PORT'],
  [/\b[0-9a-f]{64}\b/g, 'DIGEST'],
  [/node-csr-[\w-]{43}/g, 'node-csr-NAME'],
  [/(?<=token )[a-z0-9]{6}\b(?!-)/g, 'ID'],
  [/(?<=serial )[0-9A-Fa-f:]+/g, 'NUMBER'],
  [/\b0\.1\.0\b/g, 'VERSION'],
]

const normalised = (text: string): string =>
  VARIABLE.reduce((so, [variable, name]) => so.replaceAll(variable, name), text)

export async function assertGolden(name: string, actual: string): Promise<void> {
  const path = join(directory, `${name}.txt`)
  if (process.env['UPDATE_GOLDEN'] === '1') {
    await mkdir(directory, { recursive: true })
    await writeFile(path, actual)
  }
  assert.equal(actual, await readFile(path, 'utf8'), `${path} is another (UPDATE_GOLDEN=1 writes it anew)`)
}
