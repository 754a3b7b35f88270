/**
 * The services that this client answers for: sent again after every reconnect, a fiber for each request, interrupted
 * when nobody waits for it any more. Queues nothing: the gateway bounds what one responder is given.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberMap from "effect/FiberMap"
import type * as Scope from "effect/Scope"
import * as ErrorCode from "../gateway/protocol/ErrorCode.ts"
import type { Asking, Link } from "./Asking.ts"
import type { ClientError } from "./ClientError.ts"
import type { Outbound, Request } from "./Message.ts"
import * as Payload from "./Payload.ts"

/** How long to wait before a service is offered again, where the gateway does not say. */
export const retryMs = 1_000

/** A responder's refusal, which the asker gets as `Refused`. Codes 200 to 999 are the application's own. */
export class ServiceError extends Data.TaggedError("ServiceError")<{
  readonly code: number
  readonly message: string
  readonly retry?: boolean
}> {}

/** Answers one request. What it gives is the answer's data: a value that JSON knows, or a `Uint8Array`. */
export type Handler = (request: Request) => Effect.Effect<unknown, ServiceError>

type Run = (id: number, effect: Effect.Effect<void>) => void

type Answer = Extract<Outbound, { readonly type: "response" | "error" }>

/** What offering services takes. */
export interface Owner {
  readonly asking: Asking
  /** Runs something later, for as long as the client lives. */
  readonly later: (ms: number, run: () => void) => void
  /** A service is not served any more. */
  readonly onRefused: (service: string, error: ClientError) => void
}

/** All services of one client. */
export class Serving {
  readonly #handlers = new Map<string, Handler>()
  /** Runs requests of the connection of the moment. */
  #run: Run | undefined

  /** Whether this client answers for it already. */
  has(service: string): boolean {
    return this.#handlers.has(service)
  }

  /** Requests for the service come to the handler from now on. */
  add(service: string, handler: Handler): void {
    this.#handlers.set(service, handler)
  }

  remove(service: string): void {
    this.#handlers.delete(service)
  }

  /** Offers the services on a new connection, whose requests live in its scope. */
  connected(link: Link, owner: Owner): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const fibers = yield* FiberMap.make<number, void, never>()
      const run = yield* FiberMap.runtime(fibers)()
      this.#run = (id, effect) => void run(id, effect)
      for (const service of this.#handlers.keys()) this.#offer(service, link, owner)
    })
  }

  #offer(service: string, link: Link, owner: Owner): void {
    const onAnswer = (exit: Exit.Exit<unknown, ClientError>): void => {
      if (Exit.isSuccess(exit)) return
      const error = Cause.squash(exit.cause) as ClientError
      const { reason } = error
      if (reason._tag !== "Refused" || !this.has(service)) return
      if (reason.retry) return owner.later(reason.waitMs ?? retryMs, again)
      this.#handlers.delete(service)
      owner.onRefused(service, error)
    }
    const again = (): void => {
      if (link.isOpen && this.has(service)) this.#offer(service, link, owner)
    }
    owner.asking.askUnsafe(link, (id) => ({ type: "serve", id, service }), onAnswer)
  }

  /** A request to answer. */
  requested(link: Link, request: Request): void {
    const handler = this.#handlers.get(request.service)
    const { id, timeoutMs } = request
    if (handler === undefined) return void link.sendUnsafe(errorOf(id, ErrorCode.make("noResponder")))
    const answer = Effect.suspend(() => handler(request)).pipe(
      Effect.matchCause({
        onSuccess: (value) => responseOf(id, value),
        onFailure: (cause) => refusalOf(id, cause),
      }),
      // Nobody waits any longer than that.
      Effect.timeoutOption(timeoutMs),
      Effect.flatMap((answered) => (answered._tag === "None" ? Effect.void : send(link, answered.value))),
    )
    this.#run?.(id, answer)
  }

  /** Nobody waits for this request any more. */
  cancelled(id: number): void {
    // What runs under an id ends what ran under it before.
    this.#run?.(id, Effect.void)
  }
}

/** Who waits is told of an answer that no frame can hold; nobody waits when the connection has ended. */
const send = (link: Link, answer: Answer): Effect.Effect<void> =>
  Effect.catch(link.send(answer), ({ message, reason }) =>
    Effect.sync(() => {
      if (reason._tag === "BadOutbound") link.sendUnsafe(errorOf(answer.id, ErrorCode.make("tooLarge", { message })))
    }),
  )

const responseOf = (id: number, value: unknown): Answer => {
  const data = Payload.make(value)
  return data._tag === "Success"
    ? { type: "response", id, data: data.success }
    : errorOf(id, ErrorCode.make("internal", { message: data.failure.message }))
}

/** What goes wrong in a handler stays in its process, unless it is said to be for the asker. */
const refusalOf = (id: number, cause: Cause.Cause<ServiceError>): Answer => {
  const error = Cause.squash(cause)
  return errorOf(id, error instanceof ServiceError ? error : ErrorCode.make("internal"))
}

const errorOf = (
  id: number,
  { code, message, retry }: { readonly code: number; readonly message: string; readonly retry?: boolean | undefined },
): Answer => ({ type: "error", id, code, message, ...(retry !== undefined && { retry }) })
