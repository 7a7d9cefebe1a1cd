/** PEM (RFC 7468), strict: what is not a block of the asked label is an error, never skipped in silence. */

export class PemError extends Error {
  override readonly name = 'PemError'
}

/**
 * The DER of every `label` block, in order. Text outside the blocks is allowed, as `openssl` writes it; a block of
 * another label, an unclosed one, headers or bad base64 are not. Linear in the text's length.
 */
export function decodePem(text: string, label: string): Uint8Array[] {
  const blocks: Uint8Array[] = []
  let body: string[] | undefined
  for (const rawLine of text.split('\n')) {
    const line = rawLine.trim()
    if (line.startsWith('-----BEGIN ')) {
      if (body !== undefined) throw new PemError('a PEM block begins inside another')
      if (line !== `-----BEGIN ${label}-----`) throw new PemError(`a PEM block is no ${label}`)
      body = []
    } else if (line.startsWith('-----END ')) {
      if (body === undefined || line !== `-----END ${label}-----`)
        throw new PemError('a PEM block ends that never began')
      blocks.push(decodeBase64(body.join('')))
      body = undefined
    } else body?.push(line)
  }
  if (body !== undefined) throw new PemError('a PEM block is not closed')
  return blocks
}

/** The DER of the well-formed `label` blocks of a text that may hold anything else beside them. Linear. */
export function pemBlocks(text: string, label: string): Uint8Array[] {
  const [begin, end] = [`-----BEGIN ${label}-----`, `-----END ${label}-----`]
  return text
    .split(begin)
    .slice(1)
    .flatMap((rest) => {
      const stop = rest.indexOf(end)
      const body = stop === -1 ? '' : rest.slice(0, stop).replace(/\s+/g, '')
      const bytes = Buffer.from(body, 'base64')
      return body !== '' && bytes.toString('base64') === body ? [bytes] : []
    })
}

export function encodePem(der: Uint8Array, label: string): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}

/** Canonical padded base64 only: Buffer would skip over anything else without a word. */
export function decodeBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (text === '' || bytes.toString('base64') !== text) throw new PemError('it is no base64')
  return bytes
}
