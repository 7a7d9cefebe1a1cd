/** The one thing that the agent wants to know of the kubelet's own configuration file. It changes nothing in it. */
import { parseDocument } from 'yaml'
import { fieldAt } from '../lib/json.ts'

/** Whether a KubeletConfiguration, YAML or JSON, has the kubelet rotate its client certificate itself; false for what cannot be read. */
export function rotatesCertificates(text: string): boolean {
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'error' })
  if (document.errors.length > 0) return false
  try {
    return fieldAt(document.toJS({ maxAliasCount: 16 }), 'rotateCertificates') === true
  } catch {
    // Too many aliases: no kubelet reads that either.
    return false
  }
}
