/** The part of node-forge's ASN.1 that is used: its own types describe only the whole library, which is not loaded. */
declare module 'node-forge/lib/asn1.js' {
  interface Asn1 {
    tagClass: number
    type: number
    constructed: boolean
    value: string | Asn1[]
  }
  interface ByteBuffer {
    getBytes(): string
  }
  const asn1: {
    Class: { UNIVERSAL: 0; CONTEXT_SPECIFIC: 128 }
    create(tagClass: number, type: number, constructed: boolean, value: string | Asn1[]): Asn1
    toDer(value: Asn1): ByteBuffer
    fromDer(bytes: string, options: { strict: boolean; parseAllBytes: boolean; decodeBitStrings: boolean }): Asn1
    oidToDer(oid: string): ByteBuffer
    derToOid(bytes: string): string
  }
  export type { Asn1 }
  export default asn1
}
