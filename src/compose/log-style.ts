/** Which form the log takes: what the configuration says, and with `auto` what standard error is connected to. */
import type { LogStyle } from '../adapters/log.ts'
import { standardErrorIdentity } from '../adapters/standard-error.ts'
import type { LogFormat } from '../config/index.ts'

/** `environment` for $JOURNAL_STREAM (systemd.exec(5)), $NO_COLOR and $INVOCATION_ID. */
export function logStyle(logFormat: LogFormat, environment: NodeJS.ProcessEnv): LogStyle {
  if (logFormat !== 'auto') return logFormat
  if (isJournal(environment['JOURNAL_STREAM'])) return 'journal'
  return process.stderr.isTTY && (environment['NO_COLOR'] ?? '') === '' ? 'colour' : 'text'
}

/** The variable names the device and inode of the journal's socket: a child whose stderr went elsewhere inherits it too. */
export function isJournal(stream: string | undefined): boolean {
  return stream !== undefined && stream === standardErrorIdentity()
}
