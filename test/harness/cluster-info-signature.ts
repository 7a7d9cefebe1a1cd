/** cluster-info's detached signature, computed with node:crypto alone so that it can check the code under test. */
import { createHmac } from 'node:crypto'

/** What `data["jws-kubeconfig-<id>"]` must be for this exact kubeconfig text. */
export function clusterInfoSignature(kubeconfig: string, id: string, secret: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: id })).toString('base64url')
  const payload = Buffer.from(kubeconfig).toString('base64url')
  return `${header}..${createHmac('sha256', secret).update(`${header}.${payload}`).digest('base64url')}`
}

/** True where cluster-info's data carries a signature of this token over its kubeconfig as it stands. */
export function isSignedBy(data: Readonly<Record<string, string>>, id: string, secret: string): boolean {
  const signature = data[`jws-kubeconfig-${id}`]
  return signature !== undefined && signature === clusterInfoSignature(data['kubeconfig'] ?? '', id, secret)
}
