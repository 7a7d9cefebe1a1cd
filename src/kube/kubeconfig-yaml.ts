/** A kubeconfig's YAML as plain values, bounded in size, aliases and time; what it means is read elsewhere. */
import { isScalar, parseDocument, visit, type Document } from 'yaml'

/** What is wrong with a kubeconfig, in words that follow "the kubeconfig"; it never quotes the document. */
export class KubeconfigError extends Error {
  override readonly name = 'KubeconfigError'
}

const MAX_ALIASES = 16
/** In UTF-16 units; hundreds of CA certificates fit. */
const MAX_LENGTH = 256 * 1024

/** Instead of yaml's own check, which compares each key of a mapping with all others: minutes for a document made for it. */
function refuseDuplicateKeys(document: Document): void {
  visit(document, {
    Map: (_key, { items }) => {
      const keys = items.map(({ key }) => {
        if (!isScalar(key)) throw new KubeconfigError('has a key that is no text')
        return String(key.value)
      })
      if (new Set(keys).size < keys.length) throw new KubeconfigError('has a key twice in one mapping')
    },
  })
}

/** Throws KubeconfigError for what is no single YAML document, or one that is made to exhaust its reader. */
export function parseYaml(text: string): unknown {
  if (text.length > MAX_LENGTH) throw new KubeconfigError(`is longer than ${MAX_LENGTH} characters`)
  try {
    return toValue(text)
  } catch (cause) {
    if (cause instanceof KubeconfigError) throw cause
    // yaml recurses: what is nested deeply enough exhausts the stack, in any of its steps.
    throw new KubeconfigError('has too many YAML aliases, or is nested too deeply', { cause })
  }
}

function toValue(text: string): unknown {
  const document = parseDocument(text, {
    prettyErrors: false,
    uniqueKeys: false,
    version: '1.2',
    merge: false,
    // 'silent' would take a second document for nothing, too.
    logLevel: 'error',
  })
  const [problem] = document.errors
  if (problem !== undefined) throw new KubeconfigError(`is no YAML (${problem.code} at offset ${problem.pos[0]})`)
  refuseDuplicateKeys(document)
  return document.toJS({ maxAliasCount: MAX_ALIASES })
}
