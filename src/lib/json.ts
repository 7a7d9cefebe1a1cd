/** Reads JSON of unknown shape: what is absent or of another type is undefined, never an exception. */

/** The value, or undefined where `bytes` are no JSON in UTF-8. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/** What stands at `path`, by own properties only: `fieldAt(configMap, 'data', 'kubeconfig')`. */
export function fieldAt(value: unknown, ...path: readonly (string | number)[]): unknown {
  let current = value
  for (const key of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined
    current = (current as Record<string | number, unknown>)[key]
  }
  return current
}

export function textAt(value: unknown, ...path: readonly (string | number)[]): string | undefined {
  const field = fieldAt(value, ...path)
  return typeof field === 'string' ? field : undefined
}

export function numberAt(value: unknown, ...path: readonly (string | number)[]): number | undefined {
  const field = fieldAt(value, ...path)
  return typeof field === 'number' ? field : undefined
}

/** The array at `path`; empty where there is none. */
export function listAt(value: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const field = fieldAt(value, ...path)
  return Array.isArray(field) ? (field as unknown[]) : []
}
