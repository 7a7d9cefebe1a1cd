/**
 * Everything odd that can stand on the disk, by name: what is said of it, and the one answer that it has. Who recognises
 * one is the room that reads the file; what it means is here, and docs/architecture.md has the same table.
 */

/** What is done about it; each is a row of the decision table. */
const answers = {
  restore: 'the pair is installed again from what is there',
  'restore-or-join': 'an older pair that is still good takes its place; without one the node joins again',
  discover: 'the cluster is discovered again',
  'new-key': 'another key is made when the next request is due',
  'follow-to-its-end':
    'there is no other while it is open; when it is denied, deleted or issued, what is wanted now is asked for next',
  protect:
    'the file is written again with mode 0600, where its file system keeps modes; a key in it stays in use, and node-bootstrap renew makes another where somebody may have read it',
  'pass-over':
    'the agent goes on without it, and removes it when two are newer; look who owns it, and at dmesg for the device',
  'one-key': 'within an hour of its last change one key may be made, and no new budget begins',
  'run-hooks': 'the hooks are run again, as for a first certificate',
  publish: 'the file is written again',
  tidy: 'what is of no use any more is removed',
  kubelet: 'it is left to the kubelet, which renews; the agent takes part again when the certificate has lapsed',
  operator: 'set certificate.rotation.owner: kubelet in join.yaml, or rotateCertificates: false there',
  'operator-serving': 'take certificate.serving out of join.yaml, or set serverTLSBootstrap: false there',
  'operator-tls-files': 'set both to kubelet-server-current.pem in files.certificates',
} as const
export type Answer = keyof typeof answers

const table = {
  // The current pair: what `kubelet-client-current.pem` is, or leads to.
  'link-dangling': { says: 'the link to the current certificate leads to nothing', answer: 'restore-or-join' },
  'private-key-unreadable': { says: 'the current certificate has no readable private key', answer: 'restore-or-join' },
  'certificate-unreadable': { says: 'the current certificate cannot be read', answer: 'restore-or-join' },
  'key-mismatch': {
    says: 'the current certificate and its private key do not belong together',
    answer: 'restore-or-join',
  },
  'link-missing': { says: 'the link to the current certificate is missing', answer: 'restore-or-join' },
  'not-a-link': { says: 'the current certificate is a plain file, not a link', answer: 'restore' },
  'readable-by-others': {
    says: 'the private key of the current certificate could be read by other users of this machine',
    answer: 'protect',
  },
  'older-pair-readable-by-others': {
    says: 'the private key of an older certificate could be read by other users of this machine',
    answer: 'protect',
  },
  'older-pair-unreadable': {
    says: 'an older certificate of this node cannot be read from its disk',
    answer: 'pass-over',
  },
  'not-of-this-node': { says: 'the current certificate is not the one of this node', answer: 'restore-or-join' },
  'not-of-this-cluster': {
    says: 'the current certificate is not signed by the cluster’s CA',
    answer: 'restore-or-join',
  },
  'not-for-clients': { says: 'the current certificate may not be used by a client', answer: 'restore-or-join' },
  'not-for-servers': { says: 'the current certificate may not be used by a server', answer: 'restore-or-join' },
  'link-behind-kubelet': {
    says: 'the link does not lead to the newest certificate of this node, which the kubelet renews',
    answer: 'kubelet',
  },
  // What the agent keeps for itself.
  'cluster-record-readable-by-others': {
    says: 'cluster.json, which may hold a credential, could be read by other users of this machine',
    answer: 'protect',
  },
  'cluster-record-unreadable': { says: 'cluster.json cannot be read', answer: 'discover' },
  'pending-request-unreadable': { says: 'pending-request.pem cannot be read', answer: 'new-key' },
  'pending-request-readable-by-others': {
    says: 'the private key in pending-request.pem could be read by other users of this machine',
    answer: 'protect',
  },
  'pending-request-outdated': {
    says: 'the request under way asks for something else than the configuration',
    answer: 'follow-to-its-end',
  },
  'key-ledger-unreadable': { says: 'keys-made.json cannot be read', answer: 'one-key' },
  'hook-record-unreadable': { says: 'hooks.json cannot be read', answer: 'run-hooks' },
  'asked-renewal-unreadable': { says: 'asked-renewal.json cannot be read', answer: 'tidy' },
  'refusal-unreadable': { says: 'refusal.json cannot be read', answer: 'new-key' },
  // What the kubelet reads.
  'ca-bundle-differs': { says: 'the file of the cluster’s CA is not as it should be', answer: 'publish' },
  'kubeconfig-differs': { says: 'the kubelet’s kubeconfig is not as it should be', answer: 'publish' },
  'kubeconfig-readable-by-others': {
    says: 'the kubelet’s kubeconfig could be read by other users of this machine',
    answer: 'protect',
  },
  'kubelet-rotates-too': {
    says: 'the kubelet’s configuration has rotateCertificates: true, and it renews the certificate beside the agent',
    answer: 'operator',
  },
  'kubelet-asks-for-serving-too': {
    says: 'the kubelet’s configuration has serverTLSBootstrap: true, and it keeps a serving certificate beside the agent',
    answer: 'operator-serving',
  },
  'kubelet-serves-another': {
    says: 'the kubelet’s configuration names another certificate as tlsCertFile or tlsPrivateKeyFile than the agent keeps',
    answer: 'operator-tls-files',
  },
  // What a crash leaves.
  'left-over': { says: 'files were left over, as by a crash', answer: 'tidy' },
} as const satisfies Record<string, { says: string; answer: Answer }>

export type Oddity = keyof typeof table

export const oddities: Readonly<Record<Oddity, { says: string; answer: Answer }>> = table

/** For the log: what is odd, and what becomes of it. `title` is the certificate's that it is about. */
export function odditySentence(oddity: Oddity, title = 'certificate'): string {
  const { says, answer } = table[oddity]
  const isServing = title !== 'certificate'
  const becomes = isServing && answer === 'restore-or-join' ? ANSWER_OF_SERVING : answers[answer]
  return `${says.replace('the current certificate', `the current ${title}`)}: ${becomes}`
}

const ANSWER_OF_SERVING = 'an older pair that is still good takes its place; without one another is asked for'
