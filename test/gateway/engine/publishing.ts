/**
 * Publishing as the engines' tests do it: answers as effects, drafts out of little. Knows no engine in particular.
 */
import * as Effect from "effect/Effect"
import type { Accepted, Draft, Engine, EngineError, Publication } from "../../../src/gateway/engine/Engine.ts"
import * as Data from "../../../src/gateway/protocol/Data.ts"

/** What the tests publish unless they say otherwise. */
export const draft = (channel: string, value: unknown = 1, more?: Partial<Draft>): Draft => ({
  channel,
  data: Data.json(value),
  ...more,
})

/** A key of somebody's, used for something. */
export const key = (text: string, fingerprint = "f", user?: string) => ({ key: { user, key: text, fingerprint } })

/** Publishes, and succeeds with the answer. */
export const publish = (engine: Engine["Service"], each: Draft): Effect.Effect<Accepted, EngineError> =>
  Effect.callback((resume) => engine.publishUnsafe(each, (answer) => resume(Effect.fromResult(answer))))

/** Publishes all in one turn and waits for all answers. */
export const publishAll = (
  engine: Engine["Service"],
  drafts: ReadonlyArray<Draft>,
): Effect.Effect<ReadonlyArray<Accepted>, EngineError> =>
  Effect.all(
    drafts.map((each) => publish(engine, each)),
    { concurrency: "unbounded" },
  )

/** A range without limits that matter. */
export const everything = { limit: 1_000_000, maxBytes: Infinity }

/** The values of JSON publications. */
export const values = (publications: ReadonlyArray<Publication>): ReadonlyArray<unknown> =>
  publications.map(({ data }) => (data.type === "json" ? JSON.parse(data.text) : data.bytes))
