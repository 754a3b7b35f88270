/** What a rule for servers is made of. Holds nobody to one. */
import type { Judging, Server } from "./StrictClient.ts"
import type { Rule } from "./Verdict.ts"

/** What a server is held to rules with. */
export interface Arena {
  readonly server: Server
  /** A name that nobody else has: channels and services begin with it. */
  readonly name: string
}

/** A rule, and how it is seen. */
export interface ServerRule extends Rule {
  /** It is about the bytes of frames, and not seen where there are none. */
  readonly needsFrames?: true
  readonly judge: (arena: Arena) => Judging<unknown>
}
