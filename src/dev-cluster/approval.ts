/** Conditions of the approval subresource: what a PUT may change, and what kube-apiserver refuses about it. */
import type { FieldError } from './api-status.ts'
import { type CertificateSigningRequest, type Condition, timestamp } from './certificate-signing-requests.ts'
import { isObject } from './request-body.ts'
import { textAt } from './submitted-request.ts'

const isVerdict = ({ type }: Condition): boolean => type === 'Approved' || type === 'Denied'

/** The conditions of a submitted status; throws a 400 for a wrong type. */
export function readConditions(value: unknown): Condition[] {
  if (!Array.isArray(value)) return []
  return value.filter(isObject).map((item) => ({
    type: textAt(item, 'type'),
    status: textAt(item, 'status'),
    ...(textAt(item, 'reason') === '' ? {} : { reason: textAt(item, 'reason') }),
    ...(textAt(item, 'message') === '' ? {} : { message: textAt(item, 'message') }),
  }))
}

/** Verdicts from the submission, everything else from the stored object; times are the server's. */
export function approvalConditions(
  old: CertificateSigningRequest,
  submitted: readonly Condition[],
  nowMs: number,
): Condition[] {
  const before = old.status.conditions ?? []
  const now = timestamp(nowMs)
  return [
    ...before.filter((condition) => !isVerdict(condition)),
    ...submitted.filter(isVerdict).map((condition) => ({
      ...condition,
      lastUpdateTime: now,
      lastTransitionTime: before.find(({ type }) => type === condition.type)?.lastTransitionTime ?? now,
    })),
  ]
}

export function conditionErrors(conditions: readonly Condition[], before: readonly Condition[]): FieldError[] {
  const removed = before.filter((old) => isVerdict(old) && !conditions.some(({ type }) => type === old.type))
  return [
    ...conditions.flatMap((condition, index) => [
      ...statusErrors(condition, `status.conditions[${index}].status`),
      ...exclusionErrors(conditions, index),
    ]),
    ...removed.map(({ type }): FieldError => ({
      type: 'Forbidden',
      field: 'status.conditions',
      message: `Forbidden: updates may not remove a condition of type "${type}"`,
    })),
  ]
}

function statusErrors({ status }: Condition, field: string): FieldError[] {
  if (status === 'True') return []
  if (status === '') return [{ type: 'Required', field, message: 'Required value' }]
  const message = `Unsupported value: ${JSON.stringify(status)}: supported values: "True"`
  return [{ type: 'NotSupported', field, message }]
}

function exclusionErrors(conditions: readonly Condition[], index: number): FieldError[] {
  const condition = conditions[index]
  if (condition === undefined || !isVerdict(condition)) return []
  if (!conditions.slice(0, index).some((other) => isVerdict(other) && other.type !== condition.type)) return []
  const why = 'Approved and Denied conditions are mutually exclusive'
  const message = `Invalid value: "${condition.type}": ${why}`
  return [{ type: 'Invalid', field: `status.conditions[${index}].type`, message }]
}
