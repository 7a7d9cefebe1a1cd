/** The log port over winston: a line an event, as JSON, as text, coloured on a terminal, or with journald's priorities. */
import { createLogger, format, transports, type Logger } from 'winston'
import type { LogFields, LogLevel, Log } from '../lib/ports.ts'
import { timestamp } from '../lib/timestamp.ts'

export type LogStyle = 'json' | 'text' | 'colour' | 'journal'

/** sd-daemon(3)'s prefixes, which journald turns into priorities. */
const PRIORITY: Readonly<Record<string, string>> = { error: '<3>', warn: '<4>', info: '<6>', debug: '<7>' }
const COLOUR: Readonly<Record<string, string>> = {
  error: '\u001b[31m',
  warn: '\u001b[33m',
  info: '\u001b[32m',
  debug: '\u001b[90m',
}
const DIM = '\u001b[2m'
const RESET = '\u001b[0m'

/** `key=value`, quoted where the value has a space, a quote or an equals sign, as logfmt has it. */
function logfmt(fields: LogFields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${/[\s"=]/.test(String(value)) ? JSON.stringify(String(value)) : String(value)}`)
    .join(' ')
}

interface Line {
  level: string
  message: string
  timestamp: string
  fields: LogFields
}

const renderers: Readonly<Record<LogStyle, (line: Line) => string>> = {
  json: ({ timestamp, level, message, fields }) => JSON.stringify({ time: timestamp, level, message, ...fields }),
  text: ({ timestamp, level, message, fields }) => `${timestamp} ${level} ${message} ${logfmt(fields)}`.trimEnd(),
  colour: ({ timestamp, level, message, fields }) =>
    `${DIM}${timestamp.slice(11, 19)}${RESET} ${COLOUR[level] ?? ''}${level.padEnd(5)}${RESET} ${message} ${DIM}${logfmt(fields)}${RESET}`,
  journal: ({ level, message, fields }) => `${PRIORITY[level] ?? '<6>'}${message} ${logfmt(fields)}`.trimEnd(),
}

export interface ClosableLog {
  log: Log
  setLevel: (level: LogLevel) => void
  /** Resolves when everything is written. */
  close: () => Promise<void>
}

/** Writes to standard error: standard output belongs to what commands print. */
export function createLog(level: LogLevel, style: LogStyle): ClosableLog {
  const render = renderers[style]
  // Whoever read the log may go away: that is no reason to stop.
  process.stderr.on('error', () => undefined)
  const logger: Logger = createLogger({
    level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: format.combine(
      format.timestamp({ format: () => timestamp(Date.now()) }),
      format.printf(({ level: name, message, timestamp: loggedAt, fields }) =>
        render({
          level: name,
          message: String(message),
          timestamp: String(loggedAt),
          fields: (fields ?? {}) as LogFields,
        }),
      ),
    ),
    // winston's own types declare the class twice.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
    transports: new transports.Console({ stderrLevels: ['error', 'warn', 'info', 'debug'] }),
  })
  const at =
    (name: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      logger.log({ level: name, message, fields })
    }
  return {
    log: { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') },
    setLevel: (next) => {
      logger.level = next
    },
    close: () =>
      new Promise((resolve) => {
        logger.once('finish', () => {
          process.stderr.write('', () => {
            resolve()
          })
        })
        logger.end()
      }),
  }
}
