/** The test vectors of `vectors/`, as vectors/README.md describes them. Refuses hex that is none. */
import { assert } from "@effect/vitest"
import { readFileSync } from "node:fs"

/** What the receiver of a bad body or of bad frames does. */
export interface Expectation {
  readonly bye?: number
  readonly error?: number
  readonly id?: number
  readonly path?: string
  readonly ignored?: true
  readonly closed?: true
  readonly clean?: true
  readonly truncated?: true
}

/** Reads of a connection, and what becomes of them. */
export interface FrameVector {
  readonly name: string
  readonly maxFrameBytes: number
  readonly chunks: ReadonlyArray<string>
  readonly frames: ReadonlyArray<string>
  readonly end: Expectation
}

/** A message as JSON has it. */
export type Message = { readonly type: string } & Readonly<Record<string, unknown>>

/** A message and its bodies, or with `expect` bodies that are none. */
export interface BodyVector {
  readonly name: string
  readonly readOnly?: true
  readonly message?: Message
  readonly json?: string
  readonly protobuf?: string
  readonly when?: "connecting" | "connected"
  readonly expect?: Expectation
}

/** A body vector that is a message. */
export interface GoodVector extends BodyVector {
  readonly message: Message
}

/** A body vector that is none. */
export interface BadVector extends BodyVector {
  readonly when: "connecting" | "connected"
  readonly expect: Expectation
}

/** What a code says. */
export interface CodeVector {
  readonly error?: number
  readonly bye?: number
  readonly message?: string
  readonly retry: boolean | string
  readonly waitMs?: number
  readonly reserved?: true
}

const load = (name: string): ReadonlyArray<unknown> => {
  const text = readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), "utf8")
  return (JSON.parse(text) as { readonly vectors: ReadonlyArray<unknown> }).vectors
}

/** `frames.json`. */
export const frames = load("frames") as ReadonlyArray<FrameVector>

/** `client-messages.json`. */
export const clientMessages = load("client-messages") as ReadonlyArray<BodyVector>

/** `server-messages.json`. */
export const serverMessages = load("server-messages") as ReadonlyArray<BodyVector>

/** `codes.json`. */
export const codes = load("codes") as ReadonlyArray<CodeVector>

/** The vectors that are messages. */
export const good = (vectors: ReadonlyArray<BodyVector>): ReadonlyArray<GoodVector> =>
  vectors.filter((vector) => vector.message !== undefined) as ReadonlyArray<GoodVector>

/** The vectors that are none. */
export const bad = (vectors: ReadonlyArray<BodyVector>): ReadonlyArray<BadVector> =>
  vectors.filter((vector) => vector.expect !== undefined) as ReadonlyArray<BadVector>

/** The bytes of a hex text. */
export const bytesOf = (hex: string): Buffer => {
  assert.match(hex, /^([0-9a-f]{2})*$/)
  return Buffer.from(hex, "hex")
}

/** The hex text of bytes, or of text in UTF-8. */
export const hexOf = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("hex")
