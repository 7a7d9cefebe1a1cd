/** What the agent wants to know of the kubelet's own configuration file. It changes nothing in it. */
import { parseDocument } from 'yaml'
import { fieldAt, textAt } from '../lib/json.ts'

export interface KubeletFacts {
  /** It rotates its client certificate itself. */
  rotatesCertificates: boolean
  /** It asks for a serving certificate itself. */
  bootstrapsServing: boolean
  /** Where its server's certificate and key are, where it says so. */
  tlsCertFile: string | undefined
  tlsPrivateKeyFile: string | undefined
}

/** Of a KubeletConfiguration, YAML or JSON; undefined for what cannot be read. */
export function kubeletFacts(text: string): KubeletFacts | undefined {
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'error' })
  if (document.errors.length > 0) return undefined
  try {
    const value: unknown = document.toJS({ maxAliasCount: 16 })
    return {
      rotatesCertificates: fieldAt(value, 'rotateCertificates') === true,
      bootstrapsServing: fieldAt(value, 'serverTLSBootstrap') === true,
      tlsCertFile: textAt(value, 'tlsCertFile'),
      tlsPrivateKeyFile: textAt(value, 'tlsPrivateKeyFile'),
    }
  } catch {
    // Too many aliases: no kubelet reads that either.
    return undefined
  }
}
