/** The verbs of certificates.k8s.io/v1 certificatesigningrequests, after authentication and authorization. */
import { alreadyExists, badRequest, conflict, invalid, notFound } from './api-status.ts'
import { approvalConditions, conditionErrors, readConditions } from './approval.ts'
import type { User } from './authentication.ts'
import { admitCertificateSigningRequest } from './authorization.ts'
import { type CertificateSigningRequest, GROUP, KIND, resourceName } from './certificate-signing-requests.ts'
import type { CsrStore, NewRequest, Preview } from './csr-store.ts'
import { validateCertificateSigningRequest } from './csr-validation.ts'
import { fieldSelector } from './field-selector.ts'
import { isObject } from './request-body.ts'
import { checkKind, decodeSubmission, objectAt, textAt } from './submitted-request.ts'

export interface CsrApiContext {
  store: CsrStore
  nowMs: () => number
}

/** POST: admitted, validated and stored, or with `dryRun=All` only shown. */
export function postRequest(
  body: unknown,
  user: User,
  query: URLSearchParams,
  context: CsrApiContext,
): CertificateSigningRequest | Preview {
  const dryRun = query.getAll('dryRun')
  if (dryRun.some((value) => value !== 'All')) {
    const value = `[]string{${dryRun.map((text) => JSON.stringify(text)).join(', ')}}`
    const message = `Unsupported value: ${value}: supported values: "All"`
    throw invalid('meta.k8s.io', 'CreateOptions', '', [{ type: 'NotSupported', field: 'dryRun', message }])
  }
  if (dryRun.length === 0) return createRequest(body, user, context)
  return context.store.preview(admitted(body, user, context), context.nowMs())
}

/** As POST without options does. */
export function createRequest(body: unknown, user: User, context: CsrApiContext): CertificateSigningRequest {
  return context.store.create(admitted(body, user, context), context.nowMs())
}

/** The object to store; throws where admission, validation or the name's owner is against it. */
function admitted(body: unknown, user: User, { store }: CsrApiContext): NewRequest {
  const submitted = decodeSubmission(body)
  const refusal = admitCertificateSigningRequest(user, submitted) ?? validateCertificateSigningRequest(submitted)
  if (refusal !== undefined) throw refusal
  const { name, generateName, labels, annotations, request, signerName, usages, expirationSeconds } = submitted
  if (store.get(name) !== undefined) throw alreadyExists(resourceName(name))
  return {
    metadata: {
      name,
      ...(generateName === '' ? {} : { generateName }),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec: {
      request,
      signerName,
      ...(expirationSeconds === undefined ? {} : { expirationSeconds }),
      usages: [...usages],
      username: user.name,
      groups: [...user.groups],
    },
    status: {},
  }
}

export function getRequest(name: string, { store }: CsrApiContext): CertificateSigningRequest {
  const found = store.get(name)
  if (found === undefined) throw notFound(resourceName(name))
  return found
}

/** Without kind and apiVersion on the items, as a typed list has them. */
export function listRequests(query: URLSearchParams, { store }: CsrApiContext): unknown {
  const selects = fieldSelector(query.get('fieldSelector'))
  return {
    kind: 'CertificateSigningRequestList',
    apiVersion: 'certificates.k8s.io/v1',
    metadata: { resourceVersion: String(store.resourceVersion) },
    items: store
      .list()
      .filter(selects)
      .map(({ metadata, spec, status }) => ({ metadata, spec, status })),
  }
}

export function deleteRequest(name: string, { store }: CsrApiContext): unknown {
  const deleted = store.delete(name)
  if (deleted === undefined) throw notFound(resourceName(name))
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, group: GROUP, kind: 'certificatesigningrequests', uid: deleted.metadata.uid },
  }
}

/** PUT of the approval subresource: only conditions of type Approved and Denied are taken over. */
export function updateApproval(
  name: string,
  body: unknown,
  { store, nowMs }: CsrApiContext,
): CertificateSigningRequest {
  const object = isObject(body) ? body : {}
  checkKind(object)
  const metadata = objectAt(object, 'metadata')
  const submittedName = textAt(metadata, 'name')
  if (submittedName !== name)
    throw badRequest(`the name of the object (${submittedName}) does not match the name on the URL (${name})`)
  const old = store.get(name)
  if (old === undefined) throw notFound(resourceName(name))
  checkPreconditions(old, textAt(metadata, 'uid'), textAt(metadata, 'resourceVersion'))
  const conditions = approvalConditions(old, readConditions(objectAt(object, 'status')['conditions']), nowMs())
  const errors = conditionErrors(conditions, old.status.conditions ?? [])
  if (errors.length > 0) throw invalid(GROUP, KIND, name, errors)
  const updated = store.updateStatus(name, { ...old.status, ...(conditions.length === 0 ? {} : { conditions }) })
  if (updated === undefined) throw notFound(resourceName(name))
  return updated
}

function checkPreconditions(old: CertificateSigningRequest, uid: string, resourceVersion: string): void {
  const { name } = old.metadata
  if (uid !== '' && uid !== old.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`
    const key = `/registry/certificatesigningrequests/${name}`
    throw conflict(
      resourceName(name),
      `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`,
    )
  }
  if (resourceVersion !== '' && resourceVersion !== old.metadata.resourceVersion)
    throw conflict(
      resourceName(name),
      'the object has been modified; please apply your changes to the latest version and try again',
    )
}
