/** A node that renews over and over while a second process asks the API server with its current pair. */
import type { X509Certificate } from 'node:crypto'
import { Asker } from '../harness/asker.ts'
import type { ControlPlane } from '../harness/control-plane.ts'
import { eventually } from '../harness/eventually.ts'
import { JoiningNode } from '../harness/joining-node.ts'

/** What the signer of both forms is set to: the shortest that `certificate.duration` can ask for. */
export const LIFETIME_MS = 10 * 60_000

export interface RenewalsOptions {
  /** Approves and signs by itself. */
  controlPlane: ControlPlane
  /** Empty; the node's files are put there. */
  directory: string
  renewals: number
  /** For each of them. */
  deadlineMs: number
  /** Default: the program's own. */
  window?: readonly [from: number, to: number]
  /** Hears of each certificate when it is in force, and was accepted. */
  onCertificate?: (certificate: X509Certificate) => void
}

export interface Renewals {
  /** Each with a good answer. The first one comes from the join. */
  certificates: readonly X509Certificate[]
  asked: number
  failed: number
  /** The first few of them, word by word. */
  failures: readonly string[]
  /** Good answers for each certificate, by its serial number. */
  answered: ReadonlyMap<string, number>
}

/** Rejects where a renewal does not come in time. */
export async function renewWhileAsked(options: RenewalsOptions): Promise<Renewals> {
  const { controlPlane, directory, renewals, deadlineMs, window, onCertificate } = options
  const name = 'soaked'
  const token = await controlPlane.createToken()
  const rotation = window === undefined ? {} : { rotation: { window } }
  const overrides = { certificate: { duration: '10m', ...rotation } }
  const node = await JoiningNode.create({ directory, controlPlane, name, token, overrides })
  await controlPlane.admin('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name } })
  const certificates: X509Certificate[] = []
  const found = new Map<string, X509Certificate>()
  try {
    const agent = node.start()
    await node.joined(agent)
    await using asker = new Asker(node)
    while (certificates.length <= renewals) {
      // On a busy machine one may have been replaced before anybody asked with it: that one does not count.
      const next = await eventually('an answer to another certificate', { deadlineMs }, async () => {
        const { certificate } = await node.current()
        if (!found.has(certificate.serialNumber)) found.set(certificate.serialNumber, certificate)
        return [...found.values()].find((one) => asker.answered.has(one.serialNumber) && !certificates.includes(one))
      })
      certificates.push(next)
      onCertificate?.(next)
    }
    const { asked, failed, failures, answered } = asker
    return { certificates, asked, failed, failures, answered }
  } finally {
    await node.stop()
  }
}
