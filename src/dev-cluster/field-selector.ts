/** Field selectors of the API (`metadata.name=x,spec.signerName!=y`), as far as CertificateSigningRequests know fields. */
import { badRequest } from './api-status.ts'
import type { CertificateSigningRequest } from './certificate-signing-requests.ts'

export interface FieldTerm {
  field: string
  operator: '=' | '!='
  value: string
}

/** The terms of `text`, or undefined where it is no selector. */
export function parseFieldSelector(text: string): FieldTerm[] | undefined {
  const terms: FieldTerm[] = []
  for (const part of text.split(',').filter((term) => term !== '')) {
    const match = /^([^=!]+)(!=|==?)([^=]*)$/.exec(part)
    if (match === null) return undefined
    const [, field = '', operator, value = ''] = match
    terms.push({ field, operator: operator === '!=' ? '!=' : '=', value })
  }
  return terms
}

const fields: Readonly<Record<string, (csr: CertificateSigningRequest) => string>> = {
  'metadata.name': (csr) => csr.metadata.name,
  'spec.signerName': (csr) => csr.spec.signerName,
}

/** The predicate that a query's fieldSelector stands for; throws the API's 400. */
export function fieldSelector(text: string | null): (csr: CertificateSigningRequest) => boolean {
  const terms = text === null ? [] : parseFieldSelector(text)
  if (terms === undefined) throw badRequest(`invalid selector: '${text ?? ''}'; can't understand '${text ?? ''}'`)
  const tests = terms.map(({ field, operator, value }) => {
    const read = fields[field]
    if (read === undefined) throw badRequest(`field label not supported: ${field}`)
    return (csr: CertificateSigningRequest) => (read(csr) === value) === (operator === '=')
  })
  return (csr) => tests.every((test) => test(csr))
}
