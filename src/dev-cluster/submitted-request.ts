/** Decodes a submitted CertificateSigningRequest: the types of its fields are checked as Go's decoder does, no more. */
import { randomInt } from 'node:crypto'
import { ApiStatusError, badRequest } from './api-status.ts'
import { KIND } from './certificate-signing-requests.ts'
import type { SubmittedRequest } from './csr-validation.ts'
import { isObject, type JsonObject } from './request-body.ts'

export interface Submission extends SubmittedRequest {
  generateName: string
  labels: Record<string, string> | undefined
  annotations: Record<string, string> | undefined
  /** As submitted: base64. */
  request: string
}

const API_VERSION = 'certificates.k8s.io/v1'

/** Throws a 400 for a wrong kind, version or field type. Fields that only the server sets are dropped. */
export function decodeSubmission(body: unknown): Submission {
  const object = isObject(body) ? body : {}
  checkKind(object)
  const metadata = objectAt(object, 'metadata')
  const spec = objectAt(object, 'spec')
  if (textAt(metadata, 'resourceVersion') !== '')
    throw new ApiStatusError(500, undefined, 'resourceVersion should not be set on objects to be created')
  const request = textAt(spec, 'request')
  const generateName = textAt(metadata, 'generateName')
  const name = textAt(metadata, 'name')
  return {
    name: name === '' && generateName !== '' ? generatedName(generateName) : name,
    generateName,
    labels: textsAt(metadata, 'labels'),
    annotations: textsAt(metadata, 'annotations'),
    request,
    requestPem: base64(request),
    signerName: textAt(spec, 'signerName'),
    usages: usagesOf(spec['usages']),
    expirationSeconds: secondsOf(spec['expirationSeconds']),
  }
}

/** Kind and version may be left out; what is given must be this one. Also used for the body of an approval. */
export function checkKind(object: JsonObject): void {
  const kind = textAt(object, 'kind') || KIND
  const apiVersion = textAt(object, 'apiVersion') || API_VERSION
  if (kind === KIND && apiVersion === 'certificates.k8s.io/v1beta1')
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${API_VERSION})`,
    )
  if (kind === KIND && apiVersion === API_VERSION) return
  const scheme = 'scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"'
  throw cannotBeHandled(`no kind "${kind}" is registered for version "${apiVersion}" in ${scheme}`, kind)
}

const cannotBeHandled = (why: string, kind: string = KIND): ApiStatusError =>
  badRequest(`${kind} in version "v1" cannot be handled as a ${KIND}: ${why}`)

const wrongType = (value: unknown, field: string, goType: string): ApiStatusError =>
  cannotBeHandled(
    `json: cannot unmarshal ${Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value} into Go struct field ${field} of type ${goType}`,
  )

export function objectAt(object: JsonObject, field: string): JsonObject {
  const value = object[field]
  if (value === undefined || value === null) return {}
  if (!isObject(value)) throw wrongType(value, field, `v1.${field}`)
  return value
}

export function textAt(object: JsonObject, field: string): string {
  const value = object[field]
  if (value === undefined || value === null) return ''
  if (typeof value !== 'string') throw wrongType(value, field, 'string')
  return value
}

function textsAt(object: JsonObject, field: string): Record<string, string> | undefined {
  if (object[field] === undefined || object[field] === null) return undefined
  const texts = objectAt(object, field)
  return Object.fromEntries(Object.keys(texts).map((key) => [key, textAt(texts, key)]))
}

function usagesOf(value: unknown): string[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw wrongType(value, 'CertificateSigningRequestSpec.spec.usages', '[]v1.KeyUsage')
  return value.map((usage: unknown) => {
    if (typeof usage !== 'string') throw wrongType(usage, 'CertificateSigningRequestSpec.spec.usages', 'v1.KeyUsage')
    return usage
  })
}

function secondsOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || Math.abs(value) > 2 ** 31 - 1)
    throw wrongType(value, 'CertificateSigningRequestSpec.spec.expirationSeconds', 'int32')
  return value
}

/** Go's StdEncoding: padded, line breaks allowed. */
function base64(text: string): Uint8Array {
  const compact = text.replace(/[\r\n]/g, '')
  const bytes = Buffer.from(compact, 'base64')
  if (bytes.toString('base64') === compact) return bytes
  const at = compact.search(/[^A-Za-z0-9+/]/)
  throw cannotBeHandled(`illegal base64 data at input byte ${Math.max(at, 0)}`)
}

/** apiserver's SimpleNameGenerator: five characters without vowels and look-alikes. */
function generatedName(base: string): string {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
  const suffix = Array.from({ length: 5 }, () => alphabet.charAt(randomInt(alphabet.length))).join('')
  return `${base.slice(0, 58)}${suffix}`
}
