/** What a file's owner and permission bits say of a secret in it. */
import type { FileFacts } from './ports.ts'

/** The permission bits that give anybody but the owner anything. */
const OTHERS = 0o077

/** Of a file: whether anybody but the agent, and root, may do anything with it. What is no file is none. */
export const isExposed = (facts: FileFacts | undefined): boolean =>
  facts?.kind === 'file' && (facts.isOthers || (facts.mode & OTHERS) !== 0)
