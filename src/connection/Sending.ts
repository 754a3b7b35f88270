/**
 * A message that is sent when it is run: an Effect that a loop over messages can tell from others, and run in place.
 * Encodes nothing itself, and holds nothing but the message and its way.
 */
import type * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type { ConnectionError } from "./Connection.ts"

/** Who can send. */
export interface Sender<in Out> {
  /** Sends at once where there is room, and is then `Effect.void`. */
  sendNow(message: Out): Effect.Effect<void, ConnectionError>
}

/** What `Connection.send` gives. Run twice, it sends twice. */
export class Sending<Out> extends Effectable.Class<void, ConnectionError> {
  readonly #sender: Sender<Out>
  readonly #message: Out

  constructor(sender: Sender<Out>, message: Out) {
    super()
    this.#sender = sender
    this.#message = message
  }

  /** A fiber comes here when it runs the Effect; so may who would hand it to a fiber next. */
  override asEffect(): Effect.Effect<void, ConnectionError> {
    return this.#sender.sendNow(this.#message)
  }
}
