/**
 * DNS messages (RFC 1035, section 4) as a codec: queries in, responses out, EDNS acknowledged (RFC 6891).
 * Knows no zone, and refuses what is no query at all.
 */
import { Result } from "effect"
import { Codec } from "longline"

/** How a query went; `ok` and `noSuchName` are said with authority. */
export const rcode = { ok: 0, malformed: 1, noSuchName: 3, notImplemented: 4, refused: 5 } as const

/** Types of records. */
export const type = { A: 1, SOA: 6, TXT: 16, AAAA: 28, OPT: 41 } as const

/** A query. Without a question it had none, several, or one that cannot be read. */
export interface Query {
  readonly id: number
  /** Opcode (bits 11 to 14) and "recursion desired" (bit 8): they go back with the response. */
  readonly flags: number
  /** The name in lower case, and the bytes as they came. */
  readonly question: { readonly name: string; readonly type: number; readonly bytes: Uint8Array } | undefined
  readonly hasEdns: boolean
}

/** A record of the name that was asked for, less its first `skip` bytes. */
export interface Resource {
  readonly skip: number
  readonly type: number
  readonly ttl: number
  readonly data: Uint8Array
}

/** What a query is answered with. */
export interface Response {
  readonly query: Query
  readonly code: number
  readonly answers: ReadonlyArray<Resource>
  readonly authority: ReadonlyArray<Resource>
}

const questionOf = (bytes: Buffer): Query["question"] => {
  const labels: Array<string> = []
  let at = 12
  // A length above 63 would point back, and there is nothing yet to point to.
  for (let length = bytes[at++]; length !== 0; length = bytes[at++]) {
    if (length === undefined || length > 63) return undefined
    labels.push(bytes.toString("latin1", at, (at += length)).toLowerCase())
  }
  if (at + 4 > bytes.length) return undefined
  return { name: labels.join("."), type: bytes.readUInt16BE(at), bytes: bytes.subarray(12, at + 4) }
}

const shorts = (...values: ReadonlyArray<number>): Buffer => Buffer.from(Uint16Array.from(values).buffer).swap16()

const resource = ({ skip, type, ttl, data }: Resource): Buffer =>
  Buffer.concat([shorts(0xc000 + 12 + skip, type, 1, ttl >>> 16, ttl, data.length), data])

/** The codec of a server. */
export const codec: Codec.Codec<Query, Response> = {
  name: "dns",
  decode: (body) => {
    const bytes = Buffer.from(body)
    if (bytes.length < 12 || bytes[2]! >= 0x80) {
      const actual = `${bytes.length} other bytes`
      return Result.fail(new Codec.CodecError({ direction: "decode", path: "", expected: "a DNS query", actual }))
    }
    const question = bytes.readUInt16BE(4) === 1 ? questionOf(bytes) : undefined
    // An OPT record follows at once: a query has no record before it, and its name is the root's, one zero.
    const after = 12 + (question?.bytes.length ?? 0)
    const hasEdns = bytes.length >= after + 11 && bytes.readUIntBE(after, 3) === type.OPT
    return Result.succeed({ id: bytes.readUInt16BE(0), flags: bytes.readUInt16BE(2) & 0x7900, question, hasEdns })
  },
  encode: ({ query, code, answers, authority }) => {
    const opt = query.hasEdns ? [Buffer.from([0, 0, type.OPT, 4, 208, 0, 0, 0, 0, 0, 0])] : []
    const counts = [query.question ? 1 : 0, answers.length, authority.length, opt.length]
    const authoritative = code === rcode.ok || code === rcode.noSuchName ? 0x0400 : 0
    const head = shorts(query.id, 0x8000 | authoritative | query.flags | code, ...counts)
    const records = [...answers, ...authority].map(resource)
    return Result.succeed(Buffer.concat([head, query.question?.bytes ?? Buffer.alloc(0), ...records, ...opt]))
  },
}
