/**
 * The etcd of the dev cluster, for the one resource it stores: objects by name, one increasing resourceVersion, and a
 * bounded history of events that watches replay.
 */
import { randomUUID } from 'node:crypto'
import type { CertificateSigningRequest } from './certificate-signing-requests.ts'
import { timestamp } from './certificate-signing-requests.ts'

export interface StoreEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  /** A DELETED object carries the resourceVersion of its deletion. */
  object: CertificateSigningRequest
  resourceVersion: number
}

export type NewRequest = Omit<CertificateSigningRequest, 'kind' | 'apiVersion' | 'metadata'> & {
  metadata: Partial<CertificateSigningRequest['metadata']> & { name: string }
}

/** An object that was never stored has no resourceVersion. */
export type Preview = Omit<CertificateSigningRequest, 'metadata'> & {
  metadata: Omit<CertificateSigningRequest['metadata'], 'resourceVersion'>
}

/** All of it at one moment. Objects are replaced and never changed, so it stays what it was. */
export interface StoredState {
  objects: ReadonlyMap<string, CertificateSigningRequest>
  history: readonly StoreEvent[]
  resourceVersion: number
  oldest: number
}

export class CsrStore {
  #objects = new Map<string, CertificateSigningRequest>()
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  readonly #historyLimit: number
  #history: StoreEvent[] = []
  // A fresh control plane has written some hundred objects of its own before the first request.
  #resourceVersion = 300
  #oldest = 0

  /** kube-apiserver's watch cache keeps 100 events at first. */
  constructor(historyLimit = 100) {
    this.#historyLimit = historyLimit
  }

  get resourceVersion(): number {
    return this.#resourceVersion
  }

  /** Replays must begin at this resourceVersion or later. */
  get oldestResourceVersion(): number {
    return this.#oldest
  }

  /** Counts a write to some other object: all of a cluster share one counter. */
  nextResourceVersion(): number {
    this.#resourceVersion += 1
    return this.#resourceVersion
  }

  get(name: string): CertificateSigningRequest | undefined {
    const found = this.#objects.get(name)
    return found === undefined ? undefined : structuredClone(found)
  }

  /** Sorted by name, as etcd's keys are. */
  list(): CertificateSigningRequest[] {
    return [...this.#objects.values()]
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
      .map((object) => structuredClone(object))
  }

  /** Stores a new object under its name, which must be free. */
  create(object: NewRequest, nowMs: number): CertificateSigningRequest {
    const preview = this.preview(object, nowMs)
    const resourceVersion = String(this.nextResourceVersion())
    const stored = { ...preview, metadata: { ...preview.metadata, resourceVersion } }
    this.#put('ADDED', stored)
    return structuredClone(stored)
  }

  /** What create would store, without storing it: no resourceVersion is spent. */
  preview(object: NewRequest, nowMs: number): Preview {
    const { name, ...metadata } = object.metadata
    return {
      kind: 'CertificateSigningRequest',
      apiVersion: 'certificates.k8s.io/v1',
      ...structuredClone(object),
      metadata: {
        name,
        ...metadata,
        uid: randomUUID(),
        creationTimestamp: timestamp(nowMs),
      },
    }
  }

  /** Replaces the status of a stored object. */
  updateStatus(name: string, status: CertificateSigningRequest['status']): CertificateSigningRequest | undefined {
    const found = this.#objects.get(name)
    if (found === undefined) return undefined
    const metadata = { ...found.metadata, resourceVersion: String(this.nextResourceVersion()) }
    const stored = { ...found, metadata, status: structuredClone(status) }
    this.#put('MODIFIED', stored)
    return structuredClone(stored)
  }

  delete(name: string): CertificateSigningRequest | undefined {
    const found = this.#objects.get(name)
    if (found === undefined) return undefined
    this.#objects.delete(name)
    const metadata = { ...found.metadata, resourceVersion: String(this.nextResourceVersion()) }
    this.#announce('DELETED', { ...found, metadata })
    return structuredClone(found)
  }

  /** Events after `resourceVersion`, oldest first. */
  since(resourceVersion: number): StoreEvent[] {
    return this.#history.filter((event) => event.resourceVersion > resourceVersion)
  }

  /** Forgets the history, as etcd's compaction does: an older watch gets 410. */
  compact(): void {
    this.#history = []
    this.#oldest = this.#resourceVersion
  }

  save(): StoredState {
    const [resourceVersion, oldest] = [this.#resourceVersion, this.#oldest]
    return { objects: new Map(this.#objects), history: [...this.#history], resourceVersion, oldest }
  }

  /** Listeners stay, and hear of nothing. */
  restore({ objects, history, resourceVersion, oldest }: StoredState): void {
    this.#objects = new Map(objects)
    this.#history = [...history]
    this.#resourceVersion = resourceVersion
    this.#oldest = oldest
  }

  /** Calls `listener` for every later event until the returned function is called. */
  subscribe(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  #put(type: 'ADDED' | 'MODIFIED', object: CertificateSigningRequest): void {
    this.#objects.set(object.metadata.name, object)
    this.#announce(type, object)
  }

  #announce(type: StoreEvent['type'], object: CertificateSigningRequest): void {
    const event = { type, object: structuredClone(object), resourceVersion: Number(object.metadata.resourceVersion) }
    this.#history.push(event)
    const dropped = this.#history.length > this.#historyLimit ? this.#history.shift() : undefined
    if (dropped !== undefined) this.#oldest = dropped.resourceVersion
    for (const listener of this.#listeners) listener(event)
  }
}
