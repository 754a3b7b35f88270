/**
 * How what is printed may look: whether a person sees it on a terminal, and in colour (`NO_COLOR`).
 * Prints nothing itself.
 */
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as Printable from "../gateway/config/Printable.ts"

/** Where standard output goes. */
export interface Look {
  readonly isTerminal: boolean
  readonly canColor: boolean
}

/** The look of this process's standard output. */
export const current: Effect.Effect<Look, never, Stdio.Stdio> = Effect.gen(function* () {
  const { canColor } = yield* TerminalCapabilities
  return { isTerminal: yield* Stdio.Stdio.use(({ stdoutIsTerminal }) => stdoutIsTerminal), canColor }
})

/** What somebody else wrote, so that it does nothing to a terminal; elsewhere it stays as it is. */
export const safe = ({ isTerminal }: Look, text: string): string =>
  isTerminal ? text.split("\n").map(Printable.of).join("\n") : text

/** Of less importance. */
export const dim = ({ canColor }: Look, text: string): string => (canColor ? `\u001b[2m${text}\u001b[22m` : text)
