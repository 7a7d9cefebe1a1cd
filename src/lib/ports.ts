/** What the outside world can do, as the rooms see it. `adapters/` implements these; tests hand in others. No behaviour here. */
import type { KeyObject } from 'node:crypto'

export interface Clock {
  /** The wall clock, in milliseconds since the epoch. It may step in either direction. */
  nowMs(): number
  /** A clock that only goes forward, for measuring spans; its zero means nothing. */
  monotonicMs(): number
  /** Processes that hear the same here share the monotonic clock; undefined where that cannot be told. */
  bootId(): string | undefined
  /** Resolves after `ms`, or as soon as `signal` aborts; it never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

export interface Random {
  /** Uniform in [0, 1). */
  fraction(): number
}

export interface FileFacts {
  kind: 'file' | 'directory' | 'link' | 'other'
  /** Permission bits only. */
  mode: number
  /** Its owner is neither root nor the user that this process runs as. */
  isOthers: boolean
  sizeBytes: number
  modifiedMs: number
}

/**
 * The file system's primitives. Each mutating call is one effect that a crash can fall before or after; durability is
 * composed of them in `store/`. Every failure other than absence is a BootstrapError `storage-*` that names the path.
 */
export interface Files {
  /** The whole file, or undefined where there is none. More than `maxBytes` is refused. */
  read(path: string, maxBytes: number): Promise<Uint8Array | undefined>
  /** Of the path itself: a link is not followed. */
  stat(path: string): Promise<FileFacts | undefined>
  /** Where it leads, as it stands there; undefined where there is nothing, or no link. */
  readLink(path: string): Promise<string | undefined>
  /** The path with every link on the way followed; undefined where that leads nowhere. */
  realPath(path: string): Promise<string | undefined>
  /** Names in a directory, sorted; empty where there is no directory. */
  list(directory: string): Promise<string[]>
  /**
   * Creates the directory and its missing parents, and syncs the directory that each stands in: else what is written there
   * later, synced or not, can be lost with it. One that is there keeps its mode.
   */
  makeDirectory(path: string, mode: number): Promise<void>
  /**
   * Creates a file that must not exist yet, with exactly this mode where the file system keeps modes, and syncs its content
   * to the disk. `modifiedMs`: its time stamp, where it is not to be today's and the file system lets it be set.
   */
  createSynced(path: string, data: Uint8Array, mode: number, modifiedMs?: number): Promise<void>
  symlink(target: string, path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** Removes a file or link; nothing happens where there is none. */
  remove(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
}

/**
 * What a connection is trusted by, decided by the caller for each request: PEM certificates that are the only trust
 * anchors, or nothing at all (one place: the first look at cluster-info, whose content the token then authenticates).
 */
export type Trust = VerifiedTrust | 'unverified'

export interface VerifiedTrust {
  roots: readonly string[]
}

export interface ClientIdentity {
  /** PEM, leaf first. */
  certificateChain: string
  privateKey: KeyObject
}

export interface HttpRequest {
  method: 'GET' | 'POST'
  /** https only. */
  url: URL
  trust: Trust
  headers?: Readonly<Record<string, string>>
  body?: string
  clientIdentity?: ClientIdentity
  /** From the first byte sent to the last byte received; for a stream, to the response's headers. */
  timeoutMs: number
  /** A longer body is refused with `body-too-large`, whatever Content-Length said. */
  maxBodyBytes: number
  signal: AbortSignal
}

export interface HttpResponse {
  status: number
  /** Lower-case names. */
  headers: Readonly<Record<string, string>>
  body: Uint8Array
}

export interface HttpStream {
  status: number
  headers: Readonly<Record<string, string>>
  /** Ends when the server ends it; throws a BootstrapError where the connection breaks or the stream takes too long. */
  chunks: AsyncIterable<Uint8Array>
}

/** HTTPS without redirects, retries or a cookie jar. A response of any status resolves; only transport failures reject. */
export interface Http {
  request(request: HttpRequest): Promise<HttpResponse>
  /** `streamTimeoutMs`: from the response's headers to the end, however much comes meanwhile. */
  stream(request: HttpRequest & { streamTimeoutMs: number }): Promise<HttpStream>
  /**
   * The certificates that the server of `url` presents, as DER, its own first: a handshake in which nothing is verified and
   * nothing is sent. What they are good for is the caller's to find out.
   */
  presentedCertificates(url: URL, timeoutMs: number, signal: AbortSignal): Promise<readonly Uint8Array[]>
  /** Closes every connection, in use or not. */
  close(): void
}

export interface ProcessRequest {
  /** The program by its absolute path, and its arguments. No shell reads them. */
  argv: readonly string[]
  /** All that it gets, beside a PATH. */
  environment: Readonly<Record<string, string>>
  /** After this it is ended, with all that it started. */
  timeoutMs: number
  /** Ends it likewise. */
  signal: AbortSignal
  /** Hears each line of its standard output and standard error. */
  onLine: (line: string) => void
}

export type ProcessEnd =
  | { kind: 'exited'; status: number }
  | { kind: 'signalled'; signal: string }
  | { kind: 'timed-out' }
  /** `reason` is the name of the system's error. */
  | { kind: 'not-started'; reason: string }

/** Runs another program to its end; it resolves whatever that end is. */
export interface Processes {
  run(request: ProcessRequest): Promise<ProcessEnd>
}

/** What the kernel says of this machine's place in the network. */
export interface Network {
  /**
   * The addresses from which it reaches `peer`, where that is an IP address, and other networks; without loopback and
   * link-local ones, in no order. Empty where there is no route.
   */
  ownAddresses(peer: string): Promise<readonly string[]>
}

/** The service manager. Every call is best effort: a node is not lost because systemd did not listen. */
export interface Notify {
  ready(): Promise<void>
  /** One line of where the agent stands. */
  status(text: string): Promise<void>
  reloading(): Promise<void>
  stopping(): Promise<void>
  /** A sign of life, for who has proof of it. */
  watchdog(): Promise<void>
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug'
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/** One line an event: a sentence, and its facts as flat fields. Nothing secret is ever handed in. */
export type Log = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>
