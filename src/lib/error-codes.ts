/** The closed set of codes, and what each means for the exit status, for retrying, and for the operator. */

/**
 * Exit statuses, from sysexits(3) because `systemctl status` prints those names beside the number.
 * 1 is left to a crash of the runtime itself.
 */
export const EXIT = {
  ok: 0,
  usage: 64,
  unavailable: 69,
  software: 70,
  storage: 74,
  temporary: 75,
  protocol: 76,
  refused: 77,
  config: 78,
} as const
export type ExitStatus = (typeof EXIT)[keyof typeof EXIT]

/**
 * true: the same attempt may succeed by itself, so the loop tries again with backoff.
 * 'until-deadline': likewise, but only within one attempt (`discovery.timeout`); afterwards as false.
 * false: something a person must change; the daemon looks again only rarely and `run --once` ends.
 */
export type Retryable = boolean | 'until-deadline'

interface CodeFacts {
  exit: ExitStatus
  retryable: Retryable
  /** What the operator does next. An error may carry a more precise one. */
  hint: string
}

const table = {
  // Command line and configuration
  usage: { exit: EXIT.usage, retryable: false, hint: 'see node-bootstrap --help' },
  'config-unreadable': {
    exit: EXIT.config,
    retryable: false,
    hint: 'create the file, or make it readable for the agent',
  },
  'config-invalid': {
    exit: EXIT.config,
    retryable: false,
    hint: 'correct the file; node-bootstrap validate checks it',
  },
  'already-running': {
    exit: EXIT.temporary,
    retryable: false,
    hint: 'stop the other agent, or give this one its own files.state',
  },
  'not-running': {
    exit: EXIT.unavailable,
    retryable: false,
    hint: 'start it: systemctl start node-bootstrap, or node-bootstrap run; where it ended by itself, its log says why: journalctl -u node-bootstrap',
  },
  'status-not-kept': {
    exit: EXIT.unavailable,
    retryable: true,
    hint: 'the agent goes on without it; its log says what keeps it from writing files.runtime: systemctl status node-bootstrap, journalctl -u node-bootstrap',
  },
  'joining-timed-out': {
    exit: EXIT.temporary,
    retryable: false,
    hint: 'the state is kept: run it again and it goes on where it was',
  },
  'waiting-timed-out': {
    exit: EXIT.temporary,
    retryable: false,
    hint: 'node-bootstrap status shows where the node stands; waiting longer does no harm',
  },
  'not-joined': {
    exit: EXIT.temporary,
    retryable: false,
    hint: 'node-bootstrap run joins; node-bootstrap status shows how far it is',
  },
  'not-serving': {
    exit: EXIT.temporary,
    retryable: false,
    hint: 'the agent asks for the first one by itself, and somebody must approve it: node-bootstrap status shows the request',
  },
  'renewal-not-ours': {
    exit: EXIT.config,
    retryable: false,
    hint: 'the kubelet renews it by itself; certificate.rotation.owner: agent would give that to the agent',
  },
  stopped: {
    exit: EXIT.temporary,
    retryable: false,
    hint: 'the state is kept: run it again and it goes on where it was',
  },
  'policy-violated': {
    exit: EXIT.config,
    retryable: false,
    hint: 'mend what policy.require forbids, or take the requirement out of it',
  },
  internal: {
    exit: EXIT.software,
    retryable: true,
    hint: 'this is a defect of node-bootstrap: please report it with the log',
  },

  // Credentials
  'token-malformed': {
    exit: EXIT.config,
    retryable: false,
    hint: 'a bootstrap token is 6 characters, a dot and 16 characters of [a-z0-9], as kubeadm token create prints it',
  },
  'credential-unreadable': {
    exit: EXIT.config,
    retryable: false,
    hint: 'create the file that join.yaml names, readable for the agent',
  },
  'credential-missing': {
    exit: EXIT.config,
    retryable: false,
    hint: 'give bootstrap.token, or a discovery that carries a credential',
  },
  'credential-malformed': {
    exit: EXIT.config,
    retryable: false,
    hint: 'correct the user of the kubeconfig: a token, or a client certificate and its key',
  },

  // Transport
  'connection-refused': {
    exit: EXIT.unavailable,
    retryable: true,
    hint: 'nothing listens there, or a firewall says so: check the port, and whether the API server runs',
  },
  unreachable: {
    exit: EXIT.unavailable,
    retryable: true,
    hint: 'there is no way to that address: check it, and the routes and the firewall of this machine',
  },
  'name-unresolved': {
    exit: EXIT.unavailable,
    retryable: true,
    hint: 'check the name and the resolver of this machine',
  },
  'timed-out': {
    exit: EXIT.unavailable,
    retryable: true,
    hint: 'check for a firewall that drops packets, or an overloaded API server',
  },
  'connection-lost': {
    exit: EXIT.unavailable,
    retryable: true,
    hint: 'it is tried again; where it goes on, look for a proxy, a firewall or a restarting API server',
  },
  'tls-failed': {
    exit: EXIT.protocol,
    retryable: true,
    hint: 'check that the address is a Kubernetes API server that speaks TLS 1.2 or newer',
  },
  'server-untrusted': {
    exit: EXIT.protocol,
    retryable: true,
    hint: 'the server is not signed by the CA that was verified: a wrong address, a replaced CA, or someone in between',
  },
  'server-name-mismatch': {
    exit: EXIT.protocol,
    retryable: true,
    hint: "use an address from the certificate's subjectAltName, or add this one to the API server's certificate",
  },
  'server-is-a-node': {
    exit: EXIT.protocol,
    retryable: true,
    hint: 'a kubelet answers there, or somebody who has its key: look whose address that is',
  },
  'server-certificate-expired': {
    exit: EXIT.protocol,
    retryable: true,
    hint: "compare the clocks; if both are right, renew the API server's certificate",
  },
  'server-certificate-not-yet-valid': {
    exit: EXIT.protocol,
    retryable: true,
    hint: "set this machine's clock: the server's certificate lies in its future",
  },
  'body-too-large': { exit: EXIT.protocol, retryable: true, hint: 'check that the address is a Kubernetes API server' },
  'redirect-refused': {
    exit: EXIT.protocol,
    retryable: true,
    hint: 'an API server does not redirect: check the address, and for a captive portal or proxy',
  },
  'proxy-refused': {
    exit: EXIT.unavailable,
    retryable: true,
    hint: 'allow this machine to CONNECT there at the proxy, or name the host in NO_PROXY',
  },
  'proxy-authentication-required': {
    exit: EXIT.unavailable,
    retryable: true,
    hint: 'give HTTPS_PROXY a user and a password that the proxy knows, or name the host in NO_PROXY',
  },
  'proxy-untrusted': {
    exit: EXIT.protocol,
    retryable: true,
    hint: "put the CA of the proxy among this system's roots (or name them in SSL_CERT_FILE), or give HTTPS_PROXY an http:// address",
  },
  'proxy-invalid': {
    exit: EXIT.config,
    retryable: false,
    hint: 'set HTTPS_PROXY to http://[USER:PASSWORD@]HOST:PORT in a drop-in of the unit, or unset it',
  },

  // Discovery
  'not-kubernetes': {
    exit: EXIT.protocol,
    retryable: true,
    hint: 'check the address and port: what answers there is no Kubernetes API server, or a captive portal or proxy answers for it',
  },
  'anonymous-access-off': {
    exit: EXIT.refused,
    retryable: true,
    hint: 'the API server runs with --anonymous-auth=false: discover by file or https instead, or allow anonymous reads of cluster-info',
  },
  'cluster-info-forbidden': {
    exit: EXIT.refused,
    retryable: true,
    hint: 'on the control plane: kubeadm init phase bootstrap-token restores the RoleBinding kubeadm:bootstrap-signer-clusterinfo in kube-public',
  },
  'cluster-info-missing': {
    exit: EXIT.refused,
    retryable: true,
    hint: 'on the control plane: kubeadm init phase bootstrap-token publishes kube-public/cluster-info',
  },
  'cluster-info-malformed': {
    exit: EXIT.protocol,
    retryable: true,
    hint: 'on the control plane: look at kubectl -n kube-public get configmap cluster-info -o yaml',
  },
  'token-unknown': {
    exit: EXIT.refused,
    retryable: 'until-deadline',
    hint: 'the token has expired or was never made there: kubeadm token create, and put the new one where join.yaml takes it from',
  },
  'token-expired': {
    exit: EXIT.refused,
    retryable: true,
    hint: 'kubeadm token create, and put the new one where join.yaml takes it from: it is used at once',
  },
  'signature-malformed': {
    exit: EXIT.protocol,
    retryable: false,
    hint: 'the signature is not what a Kubernetes bootstrap signer writes: someone may sit in between',
  },
  'signature-mismatch': {
    exit: EXIT.protocol,
    retryable: 'until-deadline',
    hint: 'the token secret is wrong, or what answered does not know it: compare with kubeadm token list, and check the endpoint',
  },
  'ca-missing': {
    exit: EXIT.protocol,
    retryable: false,
    hint: 'distribute the CA yourself and name it as discovery.token.caFile',
  },
  'ca-malformed': {
    exit: EXIT.protocol,
    retryable: false,
    hint: 'certificate-authority-data must be PEM certificates: on the control plane, compare it with /etc/kubernetes/pki/ca.crt',
  },
  'ca-file-malformed': { exit: EXIT.config, retryable: false, hint: 'caFile must hold PEM certificates' },
  'ca-not-trusted': {
    exit: EXIT.protocol,
    retryable: false,
    hint: 'the cluster presents a CA that caFile does not hold: update caFile if the CA was renewed, else someone sits in between',
  },
  'pin-mismatch': {
    exit: EXIT.protocol,
    retryable: false,
    hint: 'compare with the control plane: openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform der | sha256sum',
  },
  'pin-hashes-certificate': {
    exit: EXIT.config,
    retryable: false,
    hint: 'a pin is the SHA-256 of the public key (SubjectPublicKeyInfo), not of the certificate',
  },
  'cluster-info-differs': {
    exit: EXIT.protocol,
    retryable: true,
    hint: 'the unverified and the verified answer differ: an edit in that moment, or someone in between',
  },
  'kubeconfig-missing': {
    exit: EXIT.config,
    retryable: false,
    hint: 'put the kubeconfig there: the daemon sees it at once',
  },
  'kubeconfig-malformed': {
    exit: EXIT.protocol,
    retryable: false,
    hint: 'it must be a kubeconfig with a server (https), its CA, and perhaps a token or a client certificate',
  },
  'kubeconfig-unavailable': {
    exit: EXIT.unavailable,
    retryable: true,
    hint: 'check discovery.https.url, and that its server hands the kubeconfig out to whoever can reach it',
  },
  'system-roots-missing': {
    exit: EXIT.config,
    retryable: false,
    hint: 'install ca-certificates, or give discovery.https.caFile or caCertHashes',
  },

  // The API, verified
  unauthorized: {
    exit: EXIT.refused,
    retryable: true,
    hint: 'the credential was refused: give a new token (kubeadm token create)',
  },
  forbidden: {
    exit: EXIT.refused,
    retryable: true,
    hint: 'the credential may not do this: check RBAC on the control plane; for a bootstrap token, the ClusterRoleBinding kubeadm:kubelet-bootstrap',
  },
  'not-found': {
    exit: EXIT.refused,
    retryable: true,
    hint: 'check that the address is the API server of this cluster',
  },
  conflict: { exit: EXIT.temporary, retryable: true, hint: 'it is tried again' },
  expired: { exit: EXIT.temporary, retryable: true, hint: 'the watch was too old; it begins anew' },
  throttled: {
    exit: EXIT.unavailable,
    retryable: true,
    hint: 'the API server asks for patience; it is tried again as it says',
  },
  'server-failed': { exit: EXIT.unavailable, retryable: true, hint: "look at the API server's health and log" },
  'request-rejected': {
    exit: EXIT.protocol,
    retryable: false,
    hint: 'the API server rejects what was sent: its message says why',
  },
  'response-malformed': {
    exit: EXIT.protocol,
    retryable: true,
    hint: 'check for a proxy that rewrites, and the API server’s version',
  },

  // The certificate
  'csr-denied': {
    exit: EXIT.refused,
    retryable: false,
    hint: 'ask who denied it; then systemctl reload node-bootstrap, or SIGHUP, files a new request with a new key',
  },
  'csr-failed': {
    exit: EXIT.refused,
    retryable: false,
    hint: 'the signer refused it: correct what it names, then systemctl reload node-bootstrap, or SIGHUP',
  },
  'csr-foreign': {
    exit: EXIT.protocol,
    retryable: false,
    hint: 'a request of that name exists that is not ours: an administrator should look at it and delete it',
  },
  'request-in-doubt': {
    exit: EXIT.temporary,
    retryable: true,
    hint: 'it is looked up again before another one is filed, so that there are never two: for two minutes, however often the agent is started',
  },
  'certificate-malformed': {
    exit: EXIT.protocol,
    retryable: false,
    hint: "the signer returned something unusable: look at the request's status.certificate",
  },
  'certificate-wrong': {
    exit: EXIT.protocol,
    retryable: false,
    hint: "the signer issued something else than was asked for: look at the signer's configuration",
  },
  'certificate-lapsed': {
    exit: EXIT.temporary,
    retryable: true,
    hint: 'a new request is made; a longer certificate.duration leaves more time to fetch it',
  },
  'identity-not-accepted': {
    exit: EXIT.refused,
    retryable: true,
    hint: "check that the API server's --client-ca-file holds the CA of the signer; refused a second time, a minute later, the node has not joined any more and asks for another certificate, which replaces this one once it is accepted",
  },
  'ca-bundle-held-back': {
    exit: EXIT.protocol,
    retryable: false,
    hint: 'publish the old CA and the new one together until every certificate is signed by the new one; node-bootstrap renew gets such a certificate',
  },
  'rejoin-forbidden': {
    exit: EXIT.refused,
    retryable: false,
    hint: 'set recovery.rejoin: same-cluster in join.yaml to let this node join again; where what lies here is of no use any more, node-bootstrap reset --kubelet-files --yes makes this a new machine',
  },
  'rejoin-budget-spent': {
    exit: EXIT.temporary,
    retryable: true,
    hint: 'look for what takes the certificate away; systemctl reload node-bootstrap, or SIGHUP, does not wait for the hour to pass',
  },
  'rejoin-needs-credential': {
    exit: EXIT.refused,
    retryable: true,
    hint: 'make a bootstrap token (kubeadm token create) and put it where join.yaml takes it from',
  },
  'other-cluster': {
    exit: EXIT.protocol,
    retryable: false,
    hint: 'if this node is to move, set recovery.rejoin: any; else correct the discovery in join.yaml',
  },
  'renewal-overdue': {
    exit: EXIT.temporary,
    retryable: true,
    hint: "look at the kubelet's log; when the certificate has lapsed, the agent joins again",
  },
  'renewal-not-approved': {
    exit: EXIT.temporary,
    retryable: true,
    hint: 'compare the key, and approve the request that status names (kubectl certificate approve)',
  },
  'serving-not-approved': {
    exit: EXIT.temporary,
    retryable: true,
    hint: 'nothing in Kubernetes approves these by itself: compare the key and the names, and approve it (kubectl certificate approve)',
  },
  'serving-budget-spent': {
    exit: EXIT.temporary,
    retryable: true,
    hint: 'look for what takes the certificate away, or list the addresses in join.yaml (certificate.serving.addresses); systemctl reload node-bootstrap, or SIGHUP, does not wait for the hour to pass',
  },
  'addresses-unknown': {
    exit: EXIT.config,
    retryable: true,
    hint: 'list them in join.yaml as certificate.serving.addresses',
  },
  'clock-skewed': {
    exit: EXIT.temporary,
    retryable: true,
    hint: "set this machine's clock (timedatectl), or the control plane's",
  },

  // This machine
  'hook-failed': {
    exit: EXIT.temporary,
    retryable: true,
    hint: 'its output is in the log; it is run again until it succeeds, and the installation stands whatever it does',
  },
  'storage-denied': {
    exit: EXIT.storage,
    retryable: true,
    hint: 'make the path writable for the agent (owner, mode, ReadWritePaths= of its unit)',
  },
  'storage-read-only': { exit: EXIT.storage, retryable: true, hint: 'remount the file system read-write' },
  'storage-full': { exit: EXIT.storage, retryable: true, hint: 'free some space or inodes on that file system' },
  'storage-failed': { exit: EXIT.storage, retryable: true, hint: 'look at dmesg for the device' },
  'storage-malformed': {
    exit: EXIT.storage,
    retryable: true,
    hint: 'move away what stands there; the agent makes its own',
  },
} as const satisfies Record<string, CodeFacts>

export type ErrorCode = keyof typeof table
export const errorCodes: Readonly<Record<ErrorCode, Readonly<CodeFacts>>> = table
