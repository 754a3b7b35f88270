/**
 * The gateway on LMDB as `node dist/main.js --data DIRECTORY` composes it, from an empty directory, whose disk is measured too.
 * With `each` behind it every publication waits until the one before is on the disk: what one sync for each costs.
 */
import { rmSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LogEvents, ServerEvents } from "longline"
import { Engine, Gateway, Identity, LmdbEngine, Policy } from "longline/gateway"
import { launch } from "./Launch.ts"

type Service = Engine.Engine["Service"]

/** One publication in the engine at a time, so that it has nobody to share a transaction with. */
const oneAtATime = (engine: Service): Service => {
  const waiting: Array<Parameters<Service["publishUnsafe"]>> = []
  const next = () => {
    const [draft, answer] = waiting[0]!
    engine.publishUnsafe(draft, (accepted) => {
      waiting.shift()
      answer(accepted)
      if (waiting.length > 0) next()
    })
  }
  return { ...engine, publishUnsafe: (...call) => void (waiting.push(call) === 1 && next()) }
}

const [directory = "", mode] = process.argv.slice(2)
rmSync(directory, { recursive: true, force: true })

const engine = LmdbEngine.make({ directory, retention: () => ({ size: 1000, ageMs: 600_000 }) }).pipe(
  Effect.map((made) => (mode === "each" ? oneAtATime(made) : made)),
)

launch(
  Gateway.layer({ commandsPerSecond: Infinity, server: { name: "longline", version: "bench" } }).pipe(
    Layer.provide([Layer.effect(Engine.Engine, engine), Identity.layerNone, Policy.layerOpen]),
    Layer.provide(Layer.provideMerge(LogEvents.layer, ServerEvents.layer)),
  ),
)
