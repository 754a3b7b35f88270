/**
 * Random text for ids and keys: one call of the system for many of them, which is what random bytes cost (4 % of a
 * connect, bench). Repeats no byte it has given, and remembers none: they are cleared when they are taken.
 */
import { randomBytes } from "node:crypto"

/** Bytes that are asked of the system at a time. */
export const poolBytes = 4096

/** A source of text that nobody can guess. */
export class RandomText {
  #pool = Buffer.alloc(0)
  #taken = 0

  /** So many random bytes as base64url, 4 characters for 3 bytes. */
  take(bytes: number): string {
    if (this.#pool.length - this.#taken < bytes) {
      this.#pool = randomBytes(Math.max(bytes, poolBytes))
      this.#taken = 0
    }
    const from = this.#taken
    const to = (this.#taken += bytes)
    const text = this.#pool.toString("base64url", from, to)
    this.#pool.fill(0, from, to)
    return text
  }
}
