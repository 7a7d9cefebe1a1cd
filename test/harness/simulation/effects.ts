/**
 * Numbers every effect of an agent on its world, and stops at each instant that a crash can fall on: before it, in the
 * middle of it where it has one, and after it.
 */
import type { Http, HttpStream } from '../../../src/lib/ports.ts'

export type Phase = 'before' | 'in the middle of' | 'after'

export interface Instant {
  phase: Phase
  /** Of the effect, from 1. */
  number: number
  /** Its verb and what it was done to. */
  effect: string
}

export type OnInstant = (instant: Instant) => Promise<void>

export class Effects {
  /** Awaited at every instant. */
  onInstant: OnInstant = () => Promise.resolve()
  #count = 0

  get count(): number {
    return this.#count
  }

  /** `perform` calls `amid` at each instant within the effect that leaves something of it. */
  async perform<Value>(effect: string, perform: (amid: () => Promise<void>) => Promise<Value>): Promise<Value> {
    const number = (this.#count += 1)
    const at = (phase: Phase): Promise<void> => this.onInstant({ phase, number, effect })
    await at('before')
    const value = await perform(() => at('in the middle of'))
    await at('after')
    return value
  }
}

/** A request has its middle where the server has answered and nobody has heard it. */
export function numberedHttp(http: Http, effects: Effects): Http {
  return {
    request: (request) =>
      effects.perform(`${request.method} ${request.url.pathname}`, async (amid) => {
        const response = await http.request(request)
        await amid()
        return response
      }),
    stream: async (request) => {
      const stream = await effects.perform(`watch ${request.url.pathname}`, () => http.stream(request))
      return { ...stream, chunks: numberedChunks(stream, effects) }
    },
    presentedCertificates: (url, timeoutMs, signal) => http.presentedCertificates(url, timeoutMs, signal),
    close: () => {
      http.close()
    },
  }
}

async function* numberedChunks({ chunks }: HttpStream, effects: Effects): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    await effects.perform('an event of the watch', () => Promise.resolve())
    yield chunk
  }
}
