/** The name server of examples/, asked by the real `dig`. Needs a build, and dig (Debian: bind9-dnsutils). */
import { assert, describe, it } from "@effect/vitest"
import * as Spawned from "../support/spawned.ts"
import { dial, example } from "./support.ts"

const server = example("dns-over-tcp")

/** What dig prints, without its own remarks. */
const dig = async (...question: ReadonlyArray<string>) => {
  const args = ["@127.0.0.1", "-p", String(server().port), "+tcp", "+tries=1", "+time=10", "+norecurse", ...question]
  const run = Spawned.start("dig", args, { hint: "It is in the Debian package bind9-dnsutils." })
  const exit = await run.exited
  const lines = run.lines.map((line) => line.replaceAll(/\s+/g, " "))
  const [, status] = lines.map((line) => /status: (\w+)/.exec(line)).find((found) => found !== null) ?? []
  const [, flags] = lines.map((line) => /^;; flags: ([\w ]*);/.exec(line)).find((found) => found !== null) ?? []
  return {
    code: exit.code,
    status,
    flags,
    question: lines.filter((line) => /^;[^;]* IN /.test(line)).join("\n"),
    records: lines.filter((line) => /^[^;]/.test(line)),
    warnings: lines.filter((line) => line.includes("WARNING") || line.includes("Warning")),
  }
}

const answered = { code: 0, status: "NOERROR", flags: "qr aa", warnings: [] }
const soa = "example.test. 300 IN SOA ns.example.test. hostmaster.example.test. 1 3600 600 86400 300"

describe("dns-over-tcp", () => {
  it("answers A, AAAA and TXT with authority, and echoes the question", async () => {
    assert.deepStrictEqual(await dig("www.example.test", "A"), {
      ...answered,
      question: ";www.example.test. IN A",
      records: ["www.example.test. 300 IN A 192.0.2.80"],
    })
    assert.deepStrictEqual(await dig("www.example.test", "AAAA"), {
      ...answered,
      question: ";www.example.test. IN AAAA",
      records: ["www.example.test. 300 IN AAAA 2001:db8::50"],
    })
    assert.deepStrictEqual(await dig("example.test", "TXT"), {
      ...answered,
      question: ";example.test. IN TXT",
      records: ['example.test. 300 IN TXT "a zone for examples"'],
    })
  })

  it("finds a name in any case, and answers in the case of the question", async () => {
    assert.deepStrictEqual(await dig("wWw.ExAmPlE.tEsT", "A"), {
      ...answered,
      question: ";wWw.ExAmPlE.tEsT. IN A",
      records: ["wWw.ExAmPlE.tEsT. 300 IN A 192.0.2.80"],
    })
  })

  it("a name that the zone has not is NXDOMAIN, and says for how long", async () => {
    assert.deepStrictEqual(await dig("no.such.example.test", "A"), {
      ...answered,
      status: "NXDOMAIN",
      question: ";no.such.example.test. IN A",
      records: [soa],
    })
  })

  it("a type that the name has not is no error, and says for how long", async () => {
    assert.deepStrictEqual(await dig("www.example.test", "TXT"), {
      ...answered,
      question: ";www.example.test. IN TXT",
      records: [soa],
    })
  })

  it("other zones are refused without authority, even if their names end alike", async () => {
    for (const name of ["example.org", "notexample.test"]) {
      assert.deepStrictEqual(await dig(name, "A"), {
        ...answered,
        status: "REFUSED",
        flags: "qr",
        question: `;${name}. IN A`,
        records: [],
      })
    }
  })

  it("what is asked in another way than by a query is not implemented", async () => {
    assert.strictEqual((await dig("+opcode=notify", "example.test", "SOA")).status, "NOTIMP")
  })

  it("the wish for recursion goes back, with and without EDNS", async () => {
    assert.strictEqual((await dig("+recurse", "+noedns", "example.test", "SOA")).flags, "qr aa rd")
    assert.strictEqual((await dig("+recurse", "+edns", "example.test", "SOA")).flags, "qr aa rd")
  })

  it("queries sent together are answered together, in order, each with its id", async () => {
    const peer = await dial(server().port)
    const header = "01000001000000000000"
    const root = "0000010001"
    peer.write(Buffer.from(`0011abcd${header}${root}0011abce${header}${root}`, "hex"))
    const refused = "81050001000000000000"
    assert.strictEqual((await peer.read(38)).toString("hex"), `0011abcd${refused}${root}0011abce${refused}${root}`)
    peer.end()
  })

  it("a question that is cut, or points ahead, is a format error", async () => {
    const peer = await dial(server().port)
    peer.write(Buffer.from("000eabcd010000010000000000000377", "hex"))
    assert.strictEqual((await peer.read(14)).toString("hex"), "000cabcd81010000000000000000")
    peer.write(Buffer.from("0012abcd01000001000000000000c00c00010001", "hex"))
    assert.strictEqual((await peer.read(14)).toString("hex"), "000cabcd81010000000000000000")
    peer.end()
  })

  it("a response, or less than a header, ends the connection without an answer", async () => {
    for (const hex of ["000cabcd81000000000000000000", "0001ab"]) {
      const peer = await dial(server().port)
      peer.write(Buffer.from(hex, "hex"))
      assert.strictEqual((await peer.ended()).length, 0)
      peer.end()
    }
  })
})
