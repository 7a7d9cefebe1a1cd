/** Object identifiers, each with where it is defined. */
export const OID = {
  /** RFC 4519: attributes of a distinguished name. */
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  /** RFC 5280 §4.2.1: extensions. */
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  subjectKeyIdentifier: '2.5.29.14',
  extendedKeyUsage: '2.5.29.37',
  /** RFC 5280 §4.2.1.12: key purposes. */
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  /** RFC 2985: PKCS#9's request for extensions in a PKCS#10 request. */
  extensionRequest: '1.2.840.113549.1.9.14',
  /** RFC 5758 and RFC 4055: signature algorithms. */
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
  sha256WithRsaEncryption: '1.2.840.113549.1.1.11',
} as const
