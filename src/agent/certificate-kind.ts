/** The kinds of certificate that the agent keeps, each with what sets it apart. What is done with one is the same for all. */
import { join } from 'node:path'
import type { FilesConfiguration } from '../config/index.ts'
import { CLIENT_SIGNER, SERVING_SIGNER } from '../kube/certificate-signing-request.ts'
import { OID } from '../pki/oids.ts'
import type { PairPlace } from '../store/certificate-pair.ts'
import type { HookEvent } from '../store/hook-record.ts'
import type { CertificateMemory, Memory } from './observed.ts'
import type { Oddity } from './oddities.ts'

export interface CertificateKind {
  name: 'client' | 'serving'
  signerName: string
  /** The API's usage that goes with the signer, and the extended key usage that it becomes in the certificate. */
  purpose: { usage: string; oid: string }
  /** What a pair on the disk is called that is for another purpose. */
  wrongUsage: Oddity
  stem: PairPlace['stem']
  /** Below files.state: where its pending key and request, a refusal and the other records of it are. */
  stateSubdirectory: string
  /** What hooks are told of the first one: the node has joined long before its server has a certificate. */
  firstEvent: HookEvent
  /** How the log calls the certificate, and its request. */
  title: string
  requestTitle: string
}

/** The node's identity. */
export const CLIENT: CertificateKind = {
  name: 'client',
  signerName: CLIENT_SIGNER,
  purpose: { usage: 'client auth', oid: OID.clientAuth },
  wrongUsage: 'not-for-clients',
  stem: 'kubelet-client',
  stateSubdirectory: '.',
  firstEvent: 'joined',
  title: 'certificate',
  requestTitle: 'request',
}

/** For the kubelet's own server, with which the API server speaks for logs, exec and metrics. */
export const SERVING: CertificateKind = {
  name: 'serving',
  signerName: SERVING_SIGNER,
  purpose: { usage: 'server auth', oid: OID.serverAuth },
  wrongUsage: 'not-for-servers',
  stem: 'kubelet-server',
  stateSubdirectory: 'serving',
  firstEvent: 'renewed',
  title: 'serving certificate',
  requestTitle: 'request for the serving certificate',
}

/** What is remembered of a certificate of this kind. */
export const memoryOf = (memory: Memory, { name }: CertificateKind): CertificateMemory =>
  name === 'serving' ? memory.serving : memory

export const pairPlace = ({ certificates }: FilesConfiguration, { stem }: CertificateKind): PairPlace => ({
  directory: certificates,
  stem,
})

export const stateDirectory = ({ state }: FilesConfiguration, { stateSubdirectory }: CertificateKind): string =>
  join(state, stateSubdirectory)
