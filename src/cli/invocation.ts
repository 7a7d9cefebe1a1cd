/** A command line, once it is understood. Types only. */
import type { ExitStatus } from '../lib/error-codes.ts'

export interface Invocation {
  values: Readonly<Record<string, string | boolean | undefined>>
  argument: string | undefined
}

export type Command = (invocation: Invocation) => Promise<ExitStatus>
