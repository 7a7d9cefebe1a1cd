/** The kinds of key that a node may have, by the names that join.yaml uses. */
export const KEY_ALGORITHMS = ['ECDSA-P256', 'ECDSA-P384', 'RSA-2048', 'RSA-3072', 'RSA-4096'] as const
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number]
