/**
 * Publishes to the store of a directory until it is killed, and writes down what it was answered and told, each line before
 * anything else happens: what is in the log was promised.
 *
 *   node publisher.mjs DIRECTORY SYNC LOG     publishes, fifty at a time
 *   node publisher.mjs DIRECTORY SYNC LOG N   stores N publications and ends
 *
 * Prints `ready MILLISECONDS` when the engine is open. A line of the log is `answered|told CHANNEL OFFSET EPOCH ID`.
 */
import { appendFileSync, existsSync, openSync, readFileSync, writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as LmdbEngine from "../../../dist/gateway/engine/LmdbEngine.js"

const [directory, sync, logPath, count] = process.argv.slice(2)
const isBulk = count !== undefined
const inFlight = isBulk ? 2000 : 50
const channels = 20

const before = existsSync(logPath) ? readFileSync(logPath, "utf8").trimEnd().split("\n") : []
const log = openSync(logPath, "a")
const scope = Effect.runSync(Scope.make())
const started = performance.now()
const engine = await Effect.runPromise(
  LmdbEngine.make({
    directory,
    sync,
    retention: () => ({ size: 10_000_000, ageMs: 86_400_000 }),
    // So that every third transaction empties the log, and a kill hits one of them soon.
    ...(isBulk ? undefined : { maxLogged: 150 }),
  }).pipe(Scope.provide(scope)),
)

const draftOf = (channel, id) => ({
  channel,
  data: { type: "json", text: JSON.stringify({ id, filler: "x".repeat(id.length * 4) }) },
  key: { user: undefined, key: id, fingerprint: id },
})
const publish = (draft) => new Promise((resolve) => engine.publishUnsafe(draft, resolve))

/** What the life before was answered last has to be known by its keys. */
const checkKeys = async () => {
  const answered = before.filter((line) => line.startsWith("answered ")).slice(-20)
  for (const line of answered) {
    const [, channel, offset, epoch, id] = line.split(" ")
    const { duplicate, ...position } = Result.getOrThrow(await publish(draftOf(channel, id)))
    if (duplicate && position.offset === Number(offset) && position.epoch === epoch) continue
    appendFileSync(logPath, `wrong ${line} was answered again with ${JSON.stringify(position)}\n`)
  }
}

let sent = 0
const next = async (slot) => {
  const most = isBulk ? Number(count) : Infinity
  while (sent < most) {
    const id = `${process.pid}-${started}-${sent++}`
    const channel = `c${(slot * 7 + sent) % channels}`
    const draft = draftOf(channel, id)
    const { epoch, offset } = Result.getOrThrow(await publish(isBulk ? { ...draft, key: undefined } : draft))
    if (!isBulk) writeSync(log, `answered ${channel} ${offset} ${epoch} ${id}\n`)
  }
}

// Something is read before the store counts as open.
for (let n = 0; n < channels; n++) {
  const channel = `c${n}`
  await Effect.runPromise(engine.read(channel, { limit: 10, maxBytes: 100_000, reverse: true }))
  const tell = ({ data, offset }, epoch) =>
    writeSync(log, `told ${channel} ${offset} ${epoch} ${JSON.parse(data.text).id}\n`)
  if (!isBulk) await Effect.runPromise(engine.attach(channel, tell))
}
console.log(`ready ${Math.round(performance.now() - started)}`)
await checkKeys()
await Promise.all(Array.from({ length: inFlight }, (_, slot) => next(slot)))
await Effect.runPromise(Scope.close(scope, Exit.void))
