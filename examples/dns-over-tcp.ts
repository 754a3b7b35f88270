/**
 * The name server of a small zone over TCP (RFC 7766): lengths of 2 bytes, and a codec of its own.
 * Asks nobody else: names of other zones are refused.
 *
 *     node build/examples/dns-over-tcp.js 5353 &
 *     dig @127.0.0.1 -p 5353 +tcp www.example.test AAAA
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Layer, Stream } from "effect"
import { Drain, FrameLayout, LogEvents, Protocol, Server, ServerEvents, TcpTransport } from "longline"
import { codec, type Query, rcode, type Response, type } from "./dns/Message.ts"

const apex = "example.test"
const ttl = 300

const text = (line: string) => Buffer.from([line.length, ...Buffer.from(line)])
const name = (dotted: string) => Buffer.concat(`${dotted}.`.split(".").map(text))
const numbers = (...values: ReadonlyArray<number>) => Buffer.from(Uint32Array.from(values).buffer).swap32()
const soa = Buffer.concat([name(`ns.${apex}`), name(`hostmaster.${apex}`), numbers(1, 3600, 600, 86_400, ttl)])

const ofApex = new Map<number, Buffer>().set(type.SOA, soa).set(type.TXT, text("a zone for examples"))
const ofWww = new Map<number, Buffer>().set(type.A, Buffer.from("c0000250", "hex"))
ofWww.set(type.AAAA, Buffer.from("20010db8000000000000000000000050", "hex"))
const zone = new Map([[apex, ofApex]]).set(`www.${apex}`, ofWww)

const respond = (query: Query): Response => {
  const { flags, question } = query
  const refusal = (code: number) => ({ query, code, answers: [], authority: [] })
  if ((flags & 0x7800) !== 0) return refusal(rcode.notImplemented)
  if (question === undefined) return refusal(rcode.malformed)
  const skip = question.name.length - apex.length
  if (!`.${question.name}`.endsWith(`.${apex}`)) return refusal(rcode.refused)
  const records = zone.get(question.name)
  const data = records?.get(question.type)
  const answers = data === undefined ? [] : [{ skip: 0, type: question.type, ttl, data }]
  // No such name, or nothing of this type: the SOA says for how long that holds.
  const authority = data === undefined ? [{ skip, type: type.SOA, ttl, data: soa }] : []
  return { query, code: records === undefined ? rcode.noSuchName : rcode.ok, answers, authority }
}

const Dns = Protocol.fromCodec({ name: "dns", layout: FrameLayout.makeUnsafe({ width: 2 }), codec, heartbeat: "none" })

// Without heartbeats, silence is the measure: a resolver that asks nothing for ten seconds is let go.
const Main = Server.serve(Dns, ({ messages }) => messages.pipe(Stream.timeout("10 seconds"), Stream.map(respond))).pipe(
  Layer.provide(TcpTransport.layer({ port: Number(process.argv[2] ?? 0) })),
  Layer.provide(Layer.provideMerge(LogEvents.layer, ServerEvents.layer)),
)

NodeRuntime.runMain(Layer.launch(Main), { teardown: Drain.teardown })
