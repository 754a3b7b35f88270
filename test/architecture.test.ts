/**
 * The rules of ARCHITECTURE.md that can be read off the sources: arrows between rooms, what must not be named where,
 * comments and sizes. Reads lines, not syntax trees: the formatter keeps the sources regular enough for it.
 */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { posix } from "node:path"

/** The contract of transports, which every room above may import; their implementations belong to whoever composes. */
const contract = "transport/Transport.ts"

/** How limits are judged, which every room may ask. */
const judge = "limit/Limit.ts"

/** What each room may import of the others: rooms, folders, or single files. `main.ts` and the index files compose. */
const arrows: Readonly<Record<string, ReadonlyArray<string>>> = {
  limit: [],
  frame: [],
  codec: [],
  transport: [],
  connection: ["frame", "codec", contract],
  server: ["frame", "codec", "connection", contract],
  observe: ["connection", "server", contract],
  // What the two ends of a connection have in common is the gateway's to say.
  client: ["frame", "codec", "connection", "gateway/protocol", contract],
  gateway: ["frame", "codec", "connection", "server", contract],
  rpc: ["frame", "codec", "connection", "server", contract],
  // A load knows the wire and not the client: what a client does to be kind to its user would be measured with it.
  load: ["frame", contract],
  // Both ends of the protocol, each against somebody's other one.
  conformance: ["frame", "client", "gateway/protocol", contract],
  cli: ["frame", "codec", "connection", "server", "observe", "client", "gateway", "load", "conformance", "transport"],
}

/**
 * The gateway is built from the public parts; its JSON needs the steps below `JsonCodec`, its requests the queue of alarms,
 * its options the judge of limits.
 */
const innerPartsOfGateway = [judge, "codec/SchemaStep.ts", "codec/Shown.ts", "connection/DeadlineQueue.ts"]

/** Address arithmetic, which opens nothing. */
const harmless = /^import \{ (BlockList|isIP)(, (BlockList|isIP))* \} from "node:net"$/

const maxLines = 400

interface Line {
  readonly file: string
  readonly number: number
  readonly text: string
}

const root = new URL("../src/", import.meta.url)
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .toSorted()
const textOf = (file: string) => readFileSync(new URL(file, root), "utf8").trimEnd()
const linesOf = (file: string): ReadonlyArray<Line> =>
  textOf(file)
    .split("\n")
    .map((text, index) => ({ file, number: index + 1, text }))

/** Written by a program, so that what is for readers does not hold for it. */
const isGenerated = (file: string) => file.startsWith("gateway/protocol/gen/")
const written = files.filter((file) => !isGenerated(file))

const roomOf = (file: string) => file.split("/")[0]!
const isIn = (...rooms: ReadonlyArray<string>) => {
  return ({ file }: Line) => rooms.includes(roomOf(file))
}
const isCode = ({ text }: Line) => !/^\s*(\/\/|\/?\*)/.test(text)
const code = files.flatMap(linesOf).filter(isCode)

/** What a line imports or exports from elsewhere; a path into another part of `src` as `room/File.ts`. */
const importOf = ({ file, text }: Line): string | undefined => {
  const path = /(?:\bfrom |^import |\bimport\()"([^"]+)"/.exec(text)?.[1]
  return path?.startsWith(".") ? posix.join(posix.dirname(file), path) : path
}

/** Fails with every line that breaks the rule, as `src/file.ts:7 rule: text`. */
const refuse = (rule: string, lines: ReadonlyArray<Line>) =>
  assert.deepStrictEqual(
    lines.map(({ file, number, text }) => `src/${file}:${number} ${rule}: ${text.trim()}`),
    [],
  )

describe("rooms", () => {
  it("are all known", () => {
    const rooms = files.filter((file) => file.includes("/")).map(roomOf)
    assert.deepStrictEqual([...new Set(rooms)].toSorted(), Object.keys(arrows).toSorted())
  })

  for (const [room, allowed] of Object.entries(arrows)) {
    it(`${room} imports ${allowed.length === 0 ? "no other room" : `only ${allowed.join(", ")}`}`, () => {
      const isForeign = (line: Line) => {
        const path = importOf(line)
        if (path === undefined || !files.includes(path) || roomOf(path) === room || path === judge) return false
        return !allowed.some((place) => path === place || path.startsWith(`${place}/`))
      }
      refuse(`${room} may not import this`, code.filter(isIn(room)).filter(isForeign))
    })
  }

  it("the gateway imports public parts of the toolkit only", () => {
    const parts = linesOf("index.ts").map(importOf)
    const isInner = (line: Line) => {
      const path = importOf(line)
      if (path === undefined || !files.includes(path) || roomOf(path) === "gateway") return false
      return !parts.includes(path) && !innerPartsOfGateway.includes(path)
    }
    refuse("not named in src/index.ts", code.filter(isIn("gateway")).filter(isInner))
  })
})

describe("the client", () => {
  it("brings nothing of Node into a browser", () => {
    const reached = new Set(["browser.ts", "client/PromiseClient.ts"])
    for (const file of reached) {
      const paths = linesOf(file).flatMap((line) => (line.text.startsWith("import type") ? [] : [importOf(line)]))
      for (const path of paths) if (path !== undefined && files.includes(path)) reached.add(path)
    }
    assert.isAbove(reached.size, 30)
    const isNode = (line: Line) => /^node:|^@effect\/platform-node/.test(importOf(line) ?? "")
    refuse("Node reaches the client", [...reached].flatMap(linesOf).filter(isNode))
  })
})

describe("names", () => {
  it("sockets are named in transport only", () => {
    const isSocket = (line: Line) => /^(ws|node:(net|tls|dgram|http2?|https))$/.test(importOf(line) ?? "")
    const elsewhere = code.filter((line) => !isIn("transport")(line) && !harmless.test(line.text))
    refuse("a socket outside of transport", elsewhere.filter(isSocket))
  })

  it("the environment is read in config only", () => {
    const elsewhere = code.filter(({ file }) => !file.startsWith("gateway/config/"))
    refuse(
      "the environment outside of config",
      elsewhere.filter(({ text }) => /\bprocess\.env\b/.test(text)),
    )
  })

  it("frame, codec and connection write no log line", () => {
    const isLog = ({ text }: Line) => /\bEffect\.log|\bConsole\.|\bconsole\./.test(text)
    refuse("a log line", code.filter(isIn("frame", "codec", "connection")).filter(isLog))
  })

  it("what may be left out of options may be undefined as well, except in programs of our own", () => {
    const programs = ["cli", "load", "conformance"]
    const isProgram = (file: string) => programs.includes(roomOf(file)) || file.startsWith("gateway/config/")
    const narrow = written
      .filter((file) => !isProgram(file))
      .flatMap((file) => {
        let isOptions = false
        return linesOf(file).filter(({ text }) => {
          if (/interface \w*Options\b|\boptions\??: .*\{/.test(text)) isOptions = true
          const isNarrow = isOptions && /\w\?: (?!.*\| undefined)/.test(text.replace(/^.*\boptions\?: /, ""))
          if (/^ *\}/.test(text) || /\boptions\??: .*\}/.test(text)) isOptions = false
          return isNarrow
        })
      })
    refuse("takes no undefined", narrow.filter(isCode))
  })

  it("no module has state", () => {
    refuse(
      "module state",
      code.filter(({ text }) => /^(export )?(let|var) /.test(text)),
    )
  })
})

describe("files", () => {
  it(`have at most ${maxLines} lines`, () => {
    refuse(
      `the last of more than ${maxLines} lines`,
      written.flatMap((file) => linesOf(file).slice(-1)).filter(({ number }) => number > maxLines),
    )
  })

  it("begin by saying what they do", () => {
    const first = written.map((file) => linesOf(file).find(({ text }) => !text.startsWith("#!"))!)
    refuse(
      "no header",
      first.filter(({ text }) => !text.startsWith("/**")),
    )
  })

  it("document every export", () => {
    const undocumented = written.flatMap((file) => {
      const lines = linesOf(file)
      const names = new Set<string>()
      return lines.filter(({ number, text }) => {
        const name = /^export (?:abstract )?(?:const|class|function|interface|type) (\w+|\{)/.exec(text)?.[1]
        // A type that has the name of a value is documented with it, and so are values taken out of one.
        if (name === undefined || name === "{" || names.has(name)) return false
        names.add(name)
        return !lines[number - 2]?.text.endsWith("*/")
      })
    })
    refuse("no JSDoc", undocumented)
  })
})
