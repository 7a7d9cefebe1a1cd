/**
 * What kube-apiserver checks before it stores a CertificateSigningRequest (`pkg/apis/certificates/validation`), in its
 * order and words. Whether anyone may have the certificate is no question here: that is the signer's.
 */
import type { ApiStatusError, FieldError } from './api-status.ts'
import { invalid } from './api-status.ts'
import { CertificateRequestError, parseCertificateRequest } from './certificate-request.ts'
import { GROUP, KIND } from './certificate-signing-requests.ts'

/** The part of a submitted object that is validated; types have been checked, nothing else. */
export interface SubmittedRequest {
  name: string
  requestPem: Uint8Array
  signerName: string
  usages: readonly string[]
  expirationSeconds: number | undefined
}

/** Every KeyUsage of the API, sorted as the message lists them. */
export const knownUsages = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
]

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`
const labelPattern = new RegExp(`^${LABEL}$`)

const invalidValue = (field: string, value: string | number, why: string): FieldError => ({
  type: 'Invalid',
  field,
  message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
})
const required = (field: string, why: string): FieldError => ({
  type: 'Required',
  field,
  message: `Required value: ${why}`,
})

/** The 422 that the object earns, or undefined. */
export function validateCertificateSigningRequest(submitted: SubmittedRequest): ApiStatusError | undefined {
  const errors = [
    ...nameErrors(submitted.name),
    ...requestErrors(submitted.requestPem),
    ...usageErrors(submitted.usages),
    ...signerNameErrors(submitted.signerName),
    ...expirationErrors(submitted.expirationSeconds),
  ]
  return errors.length === 0 ? undefined : invalid(GROUP, KIND, submitted.name, errors)
}

/** Only what would break a URL is refused: the kubelet's own names are base64url, capitals and underscores included. */
function nameErrors(name: string): FieldError[] {
  if (name === '') return [required('metadata.name', 'name or generateName is required')]
  if (name === '.' || name === '..') return [invalidValue('metadata.name', name, `may not be '${name}'`)]
  return ['/', '%']
    .filter((character) => name.includes(character))
    .map((character) => invalidValue('metadata.name', name, `may not contain '${character}'`))
}

function requestErrors(pem: Uint8Array): FieldError[] {
  try {
    parseCertificateRequest(pem)
    return []
  } catch (error) {
    if (!(error instanceof CertificateRequestError)) throw error
    return [{ type: 'Invalid', field: 'spec.request', message: `Invalid value: ${goBytes(pem)}: ${error.message}` }]
  }
}

/** Bytes as Go's %#v prints them. */
const goBytes = (bytes: Uint8Array): string =>
  bytes.length === 0 ? '[]byte(nil)' : `[]byte{${Array.from(bytes, (byte) => `0x${byte.toString(16)}`).join(', ')}}`

function usageErrors(usages: readonly string[]): FieldError[] {
  if (usages.length === 0) return [required('spec.usages', 'usages must be provided')]
  const supported = knownUsages.map((usage) => JSON.stringify(usage)).join(', ')
  return usages.flatMap((usage, index): FieldError[] => {
    const field = `spec.usages[${index}]`
    if (!knownUsages.includes(usage)) {
      const message = `Unsupported value: ${JSON.stringify(usage)}: supported values: ${supported}`
      return [{ type: 'NotSupported', field, message }]
    }
    const isRepeated = usages.indexOf(usage) < index
    return isRepeated ? [{ type: 'Duplicate', field, message: `Duplicate value: ${JSON.stringify(usage)}` }] : []
  })
}

/** `domain/path`: a domain of two labels and more, and a path of labels. */
export function signerNameErrors(signerName: string): FieldError[] {
  const field = 'spec.signerName'
  if (signerName === '') return [required(field, 'signerName must be provided')]
  if (signerName === 'kubernetes.io/legacy-unknown')
    return [invalidValue(field, signerName, 'the legacy signerName is not allowed via this API version')]
  const [domain, path, ...more] = signerName.split('/')
  if (domain === undefined || path === undefined || more.length > 0)
    return [
      invalidValue(
        field,
        signerName,
        "must be a fully qualified domain and path of the form 'example.com/signer-name'",
      ),
    ]
  const domainLabels = domain.split('.')
  return [
    ...domainLabels.flatMap((label) => labelErrors(field, domain, label, 63, 'label')),
    ...(domainLabels.length < 2
      ? [invalidValue(field, domain, 'should be a domain with at least two segments separated by dots')]
      : []),
    ...path.split('.').flatMap((label) => labelErrors(field, path, label, 253, 'subdomain')),
  ]
}

function labelErrors(
  field: string,
  whole: string,
  label: string,
  maxLength: number,
  rule: 'label' | 'subdomain',
): FieldError[] {
  const syntax =
    rule === 'label'
      ? `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name', or '123-abc', regex used for validation is '${LABEL}')`
      : `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`
  const reasons = [
    ...(label.length > maxLength ? [`must be no more than ${maxLength} characters`] : []),
    ...(labelPattern.test(label) ? [] : [syntax]),
  ]
  return reasons.map((why) => invalidValue(field, whole, `validating label ${JSON.stringify(label)}: ${why}`))
}

function expirationErrors(seconds: number | undefined): FieldError[] {
  if (seconds === undefined || seconds >= 600) return []
  const why = 'may not specify a duration less than 600 seconds (10 minutes)'
  return [invalidValue('spec.expirationSeconds', seconds, why)]
}
