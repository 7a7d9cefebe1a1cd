/** What can be wrong with a configuration, where, and how that is written on one line. Never holds a value from the file. */

/** A value as it should be, or what is wrong with it. */
export type Parsed<T> = { value: T } | Fault

export interface Fault {
  /** A predicate about the key: "has no port". */
  message: string
  /** What would be right: "host:port, such as 10.0.0.10:6443". */
  expected: string
}

export interface ConfigurationProblem extends Fault {
  file: string
  /** From 1. */
  line: number
  /** From 1, in characters. */
  column: number
  /** `discovery.token.caCertHashes[0]`; empty for the file as a whole. */
  path: string
}

export type PathPart = string | number
export type Path = readonly PathPart[]

/** `FILE:LINE:COLUMN: PATH: MESSAGE; EXPECTED`, the form that editors and CI know to follow. */
export function formatProblem(problem: ConfigurationProblem): string {
  const { file, line, column, path, message, expected } = problem
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}; ${expected}`
}

/**
 * Whether a key that this program does not know may be shown. A token can slip into the place of a key (a lost colon, a
 * bad paste), so only letters pass, and never as many in a row as a token's secret has.
 */
export function isShowableKey(key: string): boolean {
  return /^[A-Za-z][A-Za-z_-]{0,39}$/.test(key) && !/[a-z]{16}/.test(key)
}

/** `discovery.token.endpoints[1]`; a key that might be a secret becomes `?`. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    const key = isShowableKey(part) ? part : '?'
    return text === '' ? key : `${text}.${key}`
  }, '')
}
