/** Random numbers that are the same for the same seed: a multiplicative congruential generator (Park and Miller). */
import type { Random } from '../../src/lib/ports.ts'

const MODULUS = 2_147_483_647
const MULTIPLIER = 48_271

/** What a test is drawn by where nobody names a seed; to be printed. */
export const newSeed = (): number => Date.now() % 2 ** 31

export function seededRandom(seed: number): Random {
  let state = (seed % (MODULUS - 1)) + 1
  return {
    fraction: () => {
      state = (state * MULTIPLIER) % MODULUS
      return state / MODULUS
    },
  }
}
