/** What the status says of the way to one certificate, for who waits for that one and for no other. Pure. */
import type { CertificateKind } from './certificate-kind.ts'
import type { Status, StatusBody } from './status.ts'

export interface Obstacle {
  /** One sentence for people, with the command that would end the waiting. */
  summary: string
  /** What fails or stands in the way, where it is more than a matter of time. */
  problem: Status['problem']
}

/** `kind`: undefined for all that the status tells. A serving certificate is asked for once the node has joined. */
export function obstacleTo(kind: CertificateKind | undefined, status: StatusBody): Obstacle {
  const { summary, problem, serving, joined } = status
  if (kind?.name === 'serving' && serving !== undefined && joined)
    return { summary: withCommand(serving), problem: serving.problem }
  const isOther = kind !== undefined && problem?.kind === 'serving'
  return { summary, problem: isOther ? undefined : problem }
}

function withCommand({ summary, request }: NonNullable<Status['serving']>): string {
  const command = request?.createdAt === undefined ? undefined : (request.deny ?? request.approve)
  return command === undefined ? summary : `${summary}: ${command}`
}
