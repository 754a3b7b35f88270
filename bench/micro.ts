/**
 * Decoder, encoder, codecs, outbox, all of them in a row, and engines: in nanoseconds for a frame, a message or a
 * publication.
 * Says where a change acts; what it is worth, only `run.ts` says.
 *
 *     npm run bench:micro -- decode
 */
import * as Codecs from "./micro/Codecs.ts"
import * as Engines from "./micro/Engines.ts"
import * as Frames from "./micro/Frames.ts"
import * as Outboxes from "./micro/Outboxes.ts"
import * as Pipelines from "./micro/Pipelines.ts"
import * as Sample from "./micro/Sample.ts"
import * as Table from "./harness/Table.ts"

const [part = ""] = process.argv.slice(2)
const all = [...Frames.samples, ...Codecs.samples, ...Outboxes.samples, ...Pipelines.samples, ...Engines.samples]
const samples = all.filter(({ name }) => name.includes(part))

const rows: Array<ReadonlyArray<string>> = []
for (const sample of samples) {
  const { max, median, min } = await Sample.time(sample)
  rows.push([sample.name, sample.size, Table.digits(median), `${Table.digits(min)}..${Table.digits(max)}`])
}
console.log(Table.aligned(["what", "size", "ns, median", "min..max"], rows))
// The servers of the pipelines and the engines would go on for ever.
process.exit()
