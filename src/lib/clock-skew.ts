/** Says how far two clocks are apart, where that is more than certificates bear. Whose clock is right is not known. */

/** Signers back-date by five minutes. */
const CLOCK_SKEW_MS = 5 * 60 * 1000

/** `skewMs` is the other clock minus this machine's. Undefined where the two agree well enough. */
export function skewSentence(skewMs: number, whose: string): string | undefined {
  if (Math.abs(skewMs) < CLOCK_SKEW_MS) return undefined
  const minutes = Math.round(Math.abs(skewMs) / 60_000)
  return `this machine's clock is ${minutes} min ${skewMs > 0 ? 'behind' : 'ahead of'} ${whose}`
}
