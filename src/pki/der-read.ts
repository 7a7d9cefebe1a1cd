/**
 * A strict, linear reader of DER (X.690) for what strangers send. It yields views of the original bytes, never
 * re-encoded ones, and refuses everything that BER would allow beyond DER's lengths and tags.
 */
import { timestamp } from '../lib/timestamp.ts'

export class DerError extends Error {
  override readonly name = 'DerError'
}

export interface DerValue {
  /** The identifier octet: class, constructed bit and number. Numbers of 31 and more are refused. */
  tag: number
  contents: Uint8Array
  /** Identifier, length and contents, as they stand in the input. */
  raw: Uint8Array
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** The identifier octet of a constructed context-specific tag, as `[number] EXPLICIT` has it. */
export const contextTag = (number: number): number => 0xa0 | number

function readLength(bytes: Uint8Array, at: number): { length: number; next: number } {
  const first = bytes[at]
  if (first === undefined) throw new DerError('ends within a length')
  if (first < 0x80) return { length: first, next: at + 1 }
  const count = first & 0x7f
  if (count === 0 || count > 4) throw new DerError('has an indefinite or oversized length')
  let length = 0
  for (let index = 1; index <= count; index += 1) {
    const octet = bytes[at + index]
    if (octet === undefined) throw new DerError('ends within a length')
    length = length * 256 + octet
  }
  if (length < 0x80 || length < 256 ** (count - 1)) throw new DerError('has a length that is not minimal')
  return { length, next: at + 1 + count }
}

/** The value that begins at `at`, and where it ends. */
function readValue(bytes: Uint8Array, at: number): { value: DerValue; next: number } {
  const tag = bytes[at]
  if (tag === undefined) throw new DerError('ends where a value is expected')
  if ((tag & 0x1f) === 0x1f) throw new DerError('has a multi-byte tag')
  const { length, next } = readLength(bytes, at + 1)
  const end = next + length
  if (end > bytes.length) throw new DerError('ends within a value')
  return { value: { tag, contents: bytes.subarray(next, end), raw: bytes.subarray(at, end) }, next: end }
}

/** The values that fill `bytes` to the last byte. */
export function readAll(bytes: Uint8Array): DerValue[] {
  const values: DerValue[] = []
  for (let at = 0; at < bytes.length;) {
    const { value, next } = readValue(bytes, at)
    values.push(value)
    at = next
  }
  return values
}

/** Walks over a constructed value's members in order; each step says which tag it expects. */
export class DerCursor {
  readonly #members: DerValue[]
  #next = 0

  constructor(members: DerValue[]) {
    this.#members = members
  }

  /** Over the members of `value`, which must carry `tag`. */
  static into(value: DerValue, tag: number): DerCursor {
    if (value.tag !== tag) throw new DerError(`has tag ${value.tag} where ${tag} is expected`)
    return new DerCursor(readAll(value.contents))
  }

  /** Over the members of the one value that `bytes` is. */
  static over(bytes: Uint8Array, tag: number): DerCursor {
    const [value, ...rest] = readAll(bytes)
    if (value === undefined || rest.length > 0) throw new DerError('is not exactly one value')
    return DerCursor.into(value, tag)
  }

  /** The next member, which must carry `tag` where one is given. */
  take(tag?: number): DerValue {
    const value = this.#members[this.#next]
    if (value === undefined) throw new DerError('has too few members')
    if (tag !== undefined && value.tag !== tag) throw new DerError(`has tag ${value.tag} where ${tag} is expected`)
    this.#next += 1
    return value
  }

  /** The next member if it carries `tag`. */
  takeIf(tag: number): DerValue | undefined {
    return this.#members[this.#next]?.tag === tag ? this.take(tag) : undefined
  }

  rest(): DerValue[] {
    const values = this.#members.slice(this.#next)
    this.#next = this.#members.length
    return values
  }

  end(): void {
    if (this.#next < this.#members.length) throw new DerError('has members beyond the last expected one')
  }
}

/** Dotted form of an OBJECT IDENTIFIER's contents. */
export function readObjectIdentifier(value: DerValue): string {
  const [first, ...others] = base128(value.contents)
  if (value.tag !== TAG.objectIdentifier || first === undefined) throw new DerError('is no object identifier')
  const root = Math.min(Math.floor(first / 40), 2)
  return [root, first - root * 40, ...others].join('.')
}

function base128(bytes: Uint8Array): number[] {
  const numbers: number[] = []
  let current = 0
  let open = false
  for (const octet of bytes) {
    if (!open && octet === 0x80) throw new DerError('has an object identifier that is not minimal')
    current = current * 128 + (octet & 0x7f)
    if (current > Number.MAX_SAFE_INTEGER / 128) throw new DerError('has an oversized object identifier')
    open = (octet & 0x80) !== 0
    if (!open) {
      numbers.push(current)
      current = 0
    }
  }
  if (open) throw new DerError('ends within an object identifier')
  return numbers
}

/** Milliseconds since the epoch, from the two time types in the only form that RFC 5280 §4.1.2.5 allows. */
export function readTime(value: DerValue): number {
  const text = Buffer.from(value.contents).toString('latin1')
  const full = value.tag === TAG.utcTime ? `${text < '50' ? '20' : '19'}${text}` : text
  const iso = full.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6.000Z')
  if ((value.tag !== TAG.utcTime && value.tag !== TAG.generalizedTime) || iso === full) throw new DerError('is no time')
  const atMs = Date.parse(iso)
  // V8 takes 30 February for 2 March, and 24:00 for midnight: what does not come back was no date.
  if (Number.isNaN(atMs) || timestamp(atMs) !== iso) throw new DerError('is no date')
  return atMs
}

const TEXT_TAGS: readonly number[] = [TAG.utf8String, TAG.printableString, TAG.ia5String]

/** Text of the string types that X.509 names of Kubernetes use; any other type is refused. */
export function readText(value: DerValue): string {
  if (!TEXT_TAGS.includes(value.tag)) throw new DerError(`has a string of type ${value.tag}`)
  // Node decodes "latin1" as windows-1252; neither of the two types has anything beyond ASCII.
  if (value.tag !== TAG.utf8String && value.contents.some((octet) => octet > 0x7f))
    throw new DerError('has text that is no ASCII')
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value.contents)
  } catch (cause) {
    throw new DerError('has text that is no UTF-8', { cause })
  }
}

/** A BIT STRING: its bytes, and how many low bits of the last one do not count. */
export function readBitString(value: DerValue): { bytes: Uint8Array; unusedBits: number } {
  const unusedBits = value.contents[0]
  const bytes = value.contents.subarray(1)
  if (value.tag !== TAG.bitString || unusedBits === undefined || unusedBits > (bytes.length === 0 ? 0 : 7))
    throw new DerError('is no bit string')
  return { bytes, unusedBits }
}
