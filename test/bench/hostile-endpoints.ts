/** Two endpoints that a join has to get past: one drops packets, and one holds the token and signs a CA of its own with it. */
import { Attacker, signedClusterInfo } from '../harness/attacker.ts'
import type { ControlPlane } from '../harness/control-plane.ts'
import { DroppingPort } from '../harness/packet-drop.ts'

export class HostileEndpoints implements AsyncDisposable {
  readonly endpoints: readonly string[]
  readonly #dropping: DroppingPort
  readonly #liar: Attacker

  private constructor(dropping: DroppingPort, liar: Attacker) {
    this.#dropping = dropping
    this.#liar = liar
    this.endpoints = [dropping.endpoint, liar.endpoint]
  }

  static async start(upstream: Pick<ControlPlane, 'endpoint' | 'caPem'>, token: string): Promise<HostileEndpoints> {
    const liar = await Attacker.start({ upstream })
    liar.proxy.replace = () => signedClusterInfo(liar.kubeconfig(), token)
    return new HostileEndpoints(await DroppingPort.start(), liar)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#liar[Symbol.asyncDispose]()
    await this.#dropping[Symbol.asyncDispose]()
  }
}
