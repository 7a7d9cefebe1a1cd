/** The program's version, from the one place that has it. */
import manifest from '../../package.json' with { type: 'json' }

export const VERSION: string = manifest.version

/** How the agent names itself to servers. */
export const USER_AGENT = `node-bootstrap/${VERSION}`
