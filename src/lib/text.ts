/** Turns what a stranger sent into something safe to print: one line, bounded, no control characters. */

/** `text` with control characters (ESC sequences, newlines, bidirectional overrides) replaced, cut to `maxLength`. */
export function printable(text: string, maxLength = 300): string {
  const oneLine = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').trim()
  return oneLine.length <= maxLength ? oneLine : `${oneLine.slice(0, maxLength - 1)}…`
}
