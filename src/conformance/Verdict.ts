/**
 * What became of each rule of the protocol that somebody was held to, and how that is told. Judges nobody itself.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** One rule, which is judged by itself. */
export interface Rule {
  /** What it is called in reports, such as `frames.split`. */
  readonly id: string
  /** Where docs/protocol.md says so. */
  readonly section: number
  /** The rule as a sentence in the present tense. */
  readonly text: string
}

/** What became of a rule. */
export interface Verdict extends Rule {
  readonly outcome: "pass" | "fail" | "notSeen"
  /** What was seen instead, or why nothing was. */
  readonly detail?: string
}

/** A rule is broken. */
export class Broken extends Data.TaggedError("Broken")<{ readonly detail: string }> {}

/** A rule cannot be judged: what it is about was not allowed, or not done. */
export class NotSeen extends Data.TaggedError("NotSeen")<{ readonly detail: string }> {}

/** Ends the judging of a rule: it is broken. */
export const broken = (detail: string): Effect.Effect<never, Broken> => Effect.fail(new Broken({ detail }))

/** Ends the judging of a rule: there is nothing to be judged. */
export const notSeen = (detail: string): Effect.Effect<never, NotSeen> => Effect.fail(new NotSeen({ detail }))

/** The verdict that a judging comes to. */
export const of = <R>(
  { id, section, text }: Rule,
  judging: Effect.Effect<unknown, Broken | NotSeen, R>,
): Effect.Effect<Verdict, never, R> =>
  // What nobody thought of that a peer might say is no end of the judging of others.
  Effect.match(
    Effect.catchDefect(judging, (defect) => broken(String(defect))),
    {
      onSuccess: (): Verdict => ({ id, section, text, outcome: "pass" }),
      onFailure: ({ _tag, detail }): Verdict => ({
        id,
        section,
        text,
        outcome: _tag === "Broken" ? "fail" : "notSeen",
        detail,
      }),
    },
  )

/** Whether nobody broke a rule, and at least one was seen to be kept. */
export const isPassed = (verdicts: ReadonlyArray<Verdict>): boolean =>
  verdicts.some(({ outcome }) => outcome === "pass") && verdicts.every(({ outcome }) => outcome !== "fail")

/** How many there are of each. */
export const counts = (verdicts: ReadonlyArray<Verdict>) => {
  const of = (outcome: Verdict["outcome"]) => verdicts.filter((verdict) => verdict.outcome === outcome).length
  return { passed: of("pass"), failed: of("fail"), notSeen: of("notSeen") }
}

const words = { pass: "pass", fail: "FAIL", notSeen: "not seen" } as const

/** A line for a person. */
export const line = ({ detail, id, outcome, section, text }: Verdict): string =>
  `${words[outcome].padEnd(8)}  ${id.padEnd(22)}  ${text} (section ${section})${detail === undefined ? "" : `: ${detail}`}`

/** The last line for a person. */
export const summary = (verdicts: ReadonlyArray<Verdict>): string => {
  const { failed, notSeen, passed } = counts(verdicts)
  return `${passed} passed, ${failed} failed, ${notSeen} not seen`
}
