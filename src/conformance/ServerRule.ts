/** What a rule for servers is made of. Holds nobody to one. */
import type { Dialer } from "../client/Client.ts"
import type { Judging } from "./StrictClient.ts"
import type { Rule } from "./Verdict.ts"

/** What a server is held to rules with. */
export interface Arena {
  readonly dial: Dialer
  /** A name that nobody else has: channels and services begin with it. */
  readonly name: string
}

/** A rule, and how it is seen. */
export interface ServerRule extends Rule {
  readonly judge: (arena: Arena) => Judging<unknown>
}
