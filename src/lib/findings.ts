/** The closed list of trade-offs that a node's trust can rest on: what each costs, what mends it, and what forbids it. */

/** warning: less than kubeadm's own defaults ask for. notice: what a usual cluster does, and what it costs. */
export type FindingSeverity = 'warning' | 'notice'

/** When a trade-off shows: in join.yaml, on the disk, once the cluster or the approval is seen, or only after the join. */
export type FindingStage = 'configuration' | 'files' | 'discovery' | 'approval' | 'afterwards'

interface FindingFacts {
  severity: FindingSeverity
  stage: FindingStage
  /** Its name in policy.require: what holds where there is no such finding. */
  requirement: string
  /** One sentence, without its full stop. */
  consequence: string
  /** What the operator does about it. */
  remedy: string
}

const table = {
  'token-without-pin': {
    severity: 'warning',
    stage: 'configuration',
    requirement: 'pinned',
    consequence: 'whoever holds the token can pose as the cluster to this node, and is given its bootstrap credential',
    remedy: 'give caCertHashes, as kubeadm token create --print-join-command prints it, or the CA as caFile',
  },
  'token-discovery': {
    severity: 'notice',
    stage: 'configuration',
    requirement: 'out-of-band-discovery',
    consequence:
      'the token is a secret that many machines share: whoever reads it on one of them can sign a cluster-info for the others',
    remedy:
      'where files come to the machine anyway, use discovery.file or discovery.https, and the token only as bootstrap.token',
  },
  'system-roots': {
    severity: 'warning',
    stage: 'configuration',
    requirement: 'own-roots',
    consequence:
      'each of the public CAs that this system trusts, and whoever controls the name or its DNS, can choose the cluster',
    remedy: 'give discovery.https.caFile or discovery.https.caCertHashes',
  },
  'file-without-ca': {
    severity: 'notice',
    stage: 'configuration',
    requirement: 'known-ca',
    consequence: 'whoever can write the file, or has handed it out, decides which cluster this node joins',
    remedy: 'bring the cluster’s CA by another way, and name it as discovery.file.caFile',
  },
  'secret-readable-by-all': {
    severity: 'warning',
    stage: 'files',
    requirement: 'private-secrets',
    consequence: 'every user and process of this machine can take the secret and join as a node with it',
    remedy:
      'chmod 0600, or keep the secret in tokenFile or a systemd credential; and replace it, for it may have been read',
  },
  'secret-readable-by-group': {
    severity: 'notice',
    stage: 'files',
    requirement: 'owner-only-secrets',
    consequence: 'every member of the file’s group can take the secret and join as a node with it',
    remedy: 'chmod 0600, unless the group is meant to have it',
  },
  'configuration-writable': {
    severity: 'warning',
    stage: 'files',
    requirement: 'protected-configuration',
    consequence:
      'whoever may write there can have this node join another cluster or use a key of theirs, and take the secrets that it is given',
    remedy: 'chown root and chmod go-w what is named, and look at what is there by now',
  },
  'key-unprotected': {
    severity: 'warning',
    stage: 'files',
    requirement: 'private-keys',
    consequence: 'whoever may read it can act as this node, for as long as a certificate for its key is valid',
    remedy:
      'keep files.state, files.certificates and files.kubeconfig on a file system that keeps modes, or mount this one for the agent’s user alone (umask=077); then node-bootstrap renew',
  },
  'credential-unprotected': {
    severity: 'notice',
    stage: 'files',
    requirement: 'private-credentials',
    consequence:
      'whoever may read it learns which cluster this node is in and, where discovery was given a credential, can take that from cluster.json',
    remedy:
      'keep files.state and files.kubeconfig on a file system that keeps modes, or mount this one for the agent’s user alone (umask=077)',
  },
  'server-elsewhere': {
    severity: 'notice',
    stage: 'discovery',
    requirement: 'expected-server',
    consequence: 'the cluster and not join.yaml says where its API server is; it has proved itself by the verified CA',
    remedy: 'if it is the right one, put it among discovery.token.endpoints',
  },
  'authority-not-pinned': {
    severity: 'notice',
    stage: 'discovery',
    requirement: 'all-authorities-pinned',
    consequence: 'once a pinned CA has vouched for the bundle, all of it becomes the CA that the kubelet believes',
    remedy: 'pin each CA that is meant, and take the others out of cluster-info',
  },
  'automatic-approval': {
    severity: 'notice',
    stage: 'approval',
    requirement: 'manual-approval',
    consequence: 'the bootstrap credential alone makes a node: nobody compares the key before it is trusted',
    remedy:
      'kubectl delete clusterrolebinding kubeadm:node-autoapprove-bootstrap, and compare the fingerprint that status shows',
  },
  'token-still-valid': {
    severity: 'notice',
    stage: 'afterwards',
    requirement: 'spent-token',
    consequence: 'whoever reads it on this machine can still ask for the identity of another node',
    remedy: 'kubeadm token delete, and give tokens a short life: kubeadm token create --ttl 1h',
  },
} as const satisfies Record<string, FindingFacts>

export type FindingId = keyof typeof table
export type Requirement = (typeof table)[FindingId]['requirement']

export const findingFacts: Readonly<Record<FindingId, Readonly<FindingFacts & { requirement: Requirement }>>> = table

/** What policy.require may name, one for each finding. */
export const REQUIREMENTS: readonly Requirement[] = Object.values(findingFacts).map(({ requirement }) => requirement)

export interface Finding {
  id: FindingId
  /** What was seen, as a sentence without its full stop. Nothing secret. */
  seen: string
}
