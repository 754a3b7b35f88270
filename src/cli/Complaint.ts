/**
 * Prints what a person has to correct: a line each, on standard error.
 * No control character reaches the terminal as itself, whatever the person wrote.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { Mistakes } from "../gateway/config/ConfigError.ts"
import * as Printable from "../gateway/config/Printable.ts"

/** Prints one complaint. */
export const complain = (message: string): Effect.Effect<void> => Console.error(`longline: ${Printable.of(message)}`)

/** Prints each mistake of a configuration. */
export const complainOfAll = (mistakes: Mistakes): Effect.Effect<void> =>
  Effect.forEach(mistakes, ({ message }) => complain(message), { discard: true })
