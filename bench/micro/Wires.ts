/**
 * Wires that lead nowhere, for samples of what stands above them. Hand on what they are told to have read, count what is
 * written, and know no peer that is slow.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type { Transport } from "longline"

type Chunks = NonEmptyReadonlyArray<Uint8Array>

/** Counts what is written and forgets it; reads what `readUnsafe` is given, as a socket's `data` event would. */
export class Sink implements Transport.Wire {
  written = 0
  readonly peer = { _tag: "Memory", name: "sink" } as const
  readonly opened = Effect.undefined
  readonly drained = Effect.void
  readonly closed = Effect.never
  readonly pull: Pull.Pull<Chunks> = Effect.suspend(() => this.#take())
  #arrived: Chunks | undefined
  #waiter: ((pull: Pull.Pull<Chunks>) => void) | undefined
  readonly #wait: Pull.Pull<Chunks> = Effect.callback((resume) => {
    this.#waiter = resume
  })

  readUnsafe(chunk: Uint8Array): void {
    this.#arrived = [chunk]
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.(this.pull)
  }

  writeUnsafe(chunks: Chunks): boolean {
    for (const chunk of chunks) this.written += chunk.length
    return true
  }

  pausedUnsafe(): boolean {
    return false
  }

  unreadUnsafe(): number {
    return 0
  }

  receivedUnsafe(): number {
    return 0
  }

  unsentUnsafe(): number {
    return 0
  }

  onLostUnsafe(): void {}

  endUnsafe(): void {}

  abortUnsafe(): void {}

  #take(): Pull.Pull<Chunks> {
    const chunks = this.#arrived
    if (chunks === undefined) return this.#wait
    this.#arrived = undefined
    return Effect.succeed(chunks)
  }
}
