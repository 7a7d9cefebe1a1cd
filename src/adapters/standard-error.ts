/** What standard error is connected to. */
import { fstatSync } from 'node:fs'

/** `DEVICE:INODE`, the form of $JOURNAL_STREAM (systemd.exec(5)). */
export function standardErrorIdentity(): string {
  const { dev, ino } = fstatSync(2)
  return `${dev}:${ino}`
}
