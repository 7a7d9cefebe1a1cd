/** A second process that asks the API server with a node's current pair, ten times a second, and what it was answered. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { JoiningNode } from './joining-node.ts'

const PROGRAM = join(import.meta.dirname, 'asker-program.ts')
const PAUSE_MS = 100
/** How many failures are kept word by word. */
const KEPT = 20

export class Asker implements AsyncDisposable {
  /** Answers so far. */
  asked = 0
  failed = 0
  /** The first few failures, each with its time. */
  readonly failures: string[] = []
  /** How many were answered well for each certificate, by its serial number. */
  readonly answered = new Map<string, number>()
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>

  /** The node has joined, and its Node object exists: whatever is not answered with 200 has failed. */
  constructor({ name, controlPlane, files, currentPath }: JoiningNode) {
    const url = `https://${controlPlane.endpoint}/api/v1/nodes/${name}`
    this.#child = spawn(process.execPath, [PROGRAM, url, files.ca, currentPath, String(PAUSE_MS)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    process.once('exit', this.#kill)
    this.#ended = once(this.#child, 'close')
    if (this.#child.stdout !== null)
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        this.#count(line)
      })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#kill)
    this.#kill()
    await this.#ended
  }

  readonly #kill = (): void => void this.#child.kill('SIGKILL')

  #count(line: string): void {
    const { outcome, serialNumber = '' } = JSON.parse(line) as { outcome: number | string; serialNumber?: string }
    this.asked += 1
    if (outcome === 200) {
      this.answered.set(serialNumber, (this.answered.get(serialNumber) ?? 0) + 1)
      return
    }
    this.failed += 1
    if (this.failures.length < KEPT) this.failures.push(`${new Date().toISOString()} ${serialNumber}: ${outcome}`)
  }
}
