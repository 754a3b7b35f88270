/**
 * Wires that lead nowhere, for samples of what stands above them. Hand on what they are told to have read, count what is
 * written, and know no peer that is slow.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type { Transport } from "longline"

type Chunks = NonEmptyReadonlyArray<Uint8Array>

/** Counts what is written and forgets it; reads what `readUnsafe` is given, as a socket's `data` event would. */
export class Sink implements Transport.Wire, Transport.Arrived {
  written = 0
  readonly peer = { _tag: "Memory", name: "sink" } as const
  readonly opened = Effect.undefined
  readonly drained = Effect.void
  readonly closed = Effect.never
  readonly pull = Effect.never
  readonly arrived = this
  readonly ended = false
  readonly finished = false
  #chunks: Chunks | undefined
  #waiter: (() => void) | undefined
  #sieve: Transport.Sieve | undefined

  readUnsafe(chunk: Uint8Array): void {
    if (this.#sieve?.takesUnsafe(chunk) === true) return
    this.#chunks = [chunk]
    this.#waiter?.()
  }

  takeUnsafe(): Chunks | undefined {
    const chunks = this.#chunks
    this.#chunks = undefined
    return chunks
  }

  wait<A, E>(next: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.callback((resume) => {
      this.#waiter = () => resume(next)
    })
  }

  wakeUnsafe(wake: () => void): void {
    this.#waiter = wake
  }

  sieveWith(sieve: Transport.Sieve): void {
    this.#sieve = sieve
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
}
