/**
 * The floor under a join: a bare Node program that makes the same requests up to the certificate, five over two connections, with
 * node:https alone, a key made on the spot, and no check, no configuration, no log and no durable file.
 * Arguments: host:port, token, a file with a PEM request to send.
 */
import { createHash, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'

const [endpoint = '', token = '', requestFile = ''] = process.argv.slice(2)
const unverified = new Agent({ rejectUnauthorized: false, keepAlive: true })
generateKeyPairSync('ec', { namedCurve: 'P-256' })

interface Answer {
  statusCode?: number
  [Symbol.asyncIterator]: () => AsyncIterator<Buffer>
}

async function send(agent: Agent, method: string, path: string, body?: string): Promise<Answer> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  }
  const sent = request(`https://${endpoint}${path}`, { agent, method, headers })
  sent.end(body)
  return ((await once(sent, 'response')) as [Answer])[0]
}

async function json(answer: Answer): Promise<Record<string, never>> {
  const chunks: Buffer[] = []
  for await (const chunk of { [Symbol.asyncIterator]: () => answer[Symbol.asyncIterator]() }) chunks.push(chunk)
  return JSON.parse(Buffer.concat(chunks).toString()) as Record<string, never>
}

const INFO = '/api/v1/namespaces/kube-public/configmaps/cluster-info'
const CSRS = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const info = (await json(await send(unverified, 'GET', INFO))) as unknown as { data: { kubeconfig: string } }
const data = /certificate-authority-data: (\S+)/.exec(info.data.kubeconfig)?.[1] ?? ''
const verified = new Agent({ ca: Buffer.from(data, 'base64').toString(), keepAlive: true })
await json(await send(verified, 'GET', INFO))
await json(await send(verified, 'GET', '/version'))
const pem = readFileSync(requestFile)
const name = `floor-${createHash('sha256').update(pem).digest('hex')}`
const spec = {
  request: pem.toString('base64'),
  signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
  usages: ['key encipherment', 'digital signature', 'client auth'],
}
const object = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name }, spec }
const created = (await json(await send(verified, 'POST', CSRS, JSON.stringify(object)))) as unknown as {
  metadata: { resourceVersion: string }
}
const query = `watch=true&fieldSelector=metadata.name=${name}&resourceVersion=${created.metadata.resourceVersion}`
const watch = await send(verified, 'GET', `${CSRS}?${query}`)
let events = ''
for await (const chunk of { [Symbol.asyncIterator]: () => watch[Symbol.asyncIterator]() }) {
  events += chunk.toString()
  const certificate = /"certificate":"([^"]+)"/.exec(events)?.[1]
  if (certificate === undefined) continue
  writeFileSync(`${requestFile}.crt`, Buffer.from(certificate, 'base64'))
  break
}
process.exit()
