/** DNS names as Kubernetes takes them (RFC 1123 subdomains), for nodes and for endpoints. */
import type { Parsed } from './problems.ts'

const MAX_NAME = 253
const MAX_LABEL = 63
const example = 'such as worker-1 or worker-1.example.com'

/** What is wrong with a lower-case name, as a predicate, or undefined where it is a valid RFC 1123 subdomain. */
export function subdomainFault(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (name.length > MAX_NAME) return `has ${name.length} characters, more than ${MAX_NAME}`
  if (/\s/.test(name)) return 'has white space in it'
  if (name.includes('_')) return 'has an underscore, which DNS names lack'
  if (/[^a-z0-9.-]/.test(name)) return 'has characters other than a-z, 0-9, hyphen and dot'
  for (const label of name.split('.')) {
    if (label === '') return 'has a dot with nothing before or after it'
    if (label.length > MAX_LABEL) return `has a part of ${label.length} characters, more than ${MAX_LABEL}`
    if (label.startsWith('-') || label.endsWith('-')) return 'has a part that begins or ends with a hyphen'
  }
  return undefined
}

/** The node's name as kubeadm and the kubelet form it: trimmed and lower-cased. */
export function parseNodeName(text: string): Parsed<string> {
  const name = text.trim().toLowerCase()
  const fault = subdomainFault(name)
  return fault === undefined ? { value: name } : { message: fault, expected: `an RFC 1123 name, ${example}` }
}
