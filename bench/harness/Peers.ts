/**
 * Who takes part: what each server is, what it needs, how it is built and started. Starts nothing itself.
 */
import type { Speaks } from "../load/Plan.ts"

/** A command and its arguments. */
export type Command = readonly [string, ...Array<string>]

/** A server of the bench. It prints `listening on 127.0.0.1:PORT`. */
export interface Peer {
  readonly name: string
  /** What the table calls it. */
  readonly title: string
  readonly speaks: Speaks
  /** Whether SIGUSR2 makes it collect its garbage. Others would end. */
  readonly collects?: true
  /** The tool chain, where it is not Node's: programs and files, and the Debian packages that have them. */
  readonly needs?: { readonly present: ReadonlyArray<string>; readonly install: string }
  readonly build?: (paths: Paths) => ReadonlyArray<Command>
  readonly start: (paths: Paths) => Command
}

/** Where things are: a peer's sources, the compiled bench, and a folder for what a peer is built into. */
export interface Paths {
  readonly sources: string
  readonly compiled: string
  readonly target: string
}

const node = (
  name: string,
  title: string,
  speaks: Speaks = "frames",
  program = ({ compiled }: Paths) => `${compiled}/peers/${name}.js`,
): Peer => ({
  name,
  title,
  speaks,
  collects: true,
  start: (paths) => [
    process.execPath,
    "--expose-gc",
    "--import",
    `${paths.compiled}/harness/Collect.js`,
    program(paths),
  ],
})

/** A program on Longline as docs/extending.md has it run: what it uses of Longline and Effect, in one file. */
const bundled = (name: string, title: string, speaks?: Speaks): Peer => ({
  ...node(name, title, speaks, ({ target }) => `${target}/${name}.js`),
  build: ({ compiled, target }) => [
    [
      `${compiled}/../../node_modules/.bin/rolldown`,
      `${compiled}/peers/${name}.js`,
      ..."--platform node --minify --external lmdb --logLevel silent --dir".split(" "),
      target,
    ],
  ],
})

/** On the disk that the bench was built on: a folder for temporary files is often no disk at all. */
const durable = (name: string, title: string, ...mode: ReadonlyArray<string>): Peer => {
  const peer = bundled("gateway-durable", title, "gateway")
  return { ...peer, name, start: (paths) => [...peer.start(paths), `${paths.target}/data`, ...mode] }
}

/** The same on a disk whose syncs take a millisecond longer. */
const onSlowDisk = (peer: Peer): Peer => ({
  ...peer,
  name: `${peer.name}-1ms`,
  title: `${peer.title}, + 1 ms`,
  needs: { present: ["gcc"], install: "gcc libc6-dev" },
  build: (paths) => [
    ["gcc", "-O2", "-shared", "-fPIC", "-o", `${paths.target}/slow.so`, `${paths.sources}/c/slow-sync.c`],
    ...(peer.build?.(paths) ?? []),
  ],
  start: (paths) => ["env", `LD_PRELOAD=${paths.target}/slow.so`, ...peer.start(paths)],
})

const gatewayEach = durable("gateway-each", "Longline gateway, LMDB, a sync each", "each")
const gatewayDurable = durable("gateway-durable", "Longline gateway, LMDB")

const nettyClasses = ["buffer", "codec", "common", "handler", "resolver", "transport"]
  .map((module) => `/usr/share/java/netty-${module}.jar`)
  .join(":")

/** Debian's crates; nothing is fetched. */
const debianCrates = [
  ["--config", `source.crates-io.replace-with="debian"`],
  ["--config", `source.debian.directory="/usr/share/cargo/registry"`],
].flat()

/** All of them; which take part in what, `Scenarios` tells. */
export const all: ReadonlyArray<Peer> = [
  node("node", "Node by hand"),
  bundled("longline", "Longline"),
  { ...node("longline", "Longline, not bundled"), name: "longline-modules" },
  bundled("longline-router", "Longline, Router"),
  node("node-json", "Node by hand, JSON"),
  bundled("longline-json", "Longline, JSON and schema"),
  node("node-fanout", "Node by hand, gateway", "gateway"),
  bundled("gateway", "Longline gateway", "gateway"),
  gatewayEach,
  gatewayDurable,
  onSlowDisk(gatewayEach),
  onSlowDisk(gatewayDurable),
  node("node-client", "Node by hand, client", "orders"),
  bundled("client", "Longline client", "orders"),
  node("node-raw", "Node, no framing"),
  {
    name: "c",
    title: "C, epoll, no framing",
    speaks: "frames",
    needs: { present: ["gcc"], install: "gcc libc6-dev" },
    build: ({ sources, target }) => [["gcc", "-O2", "-o", `${target}/echo`, `${sources}/c/echo.c`]],
    start: ({ target }) => [`${target}/echo`],
  },
  {
    name: "tokio",
    title: "tokio, LengthDelimitedCodec",
    speaks: "frames",
    needs: {
      present: ["cargo", "/usr/share/doc/librust-tokio-util-dev"],
      install: "cargo librust-tokio-dev librust-tokio-util-dev librust-futures-util-dev",
    },
    // Built from a copy, because cargo leaves a lock file beside its manifest; with its times, so that it is built once.
    build: ({ sources, target }) => [
      ["cp", "-rpT", `${sources}/rust`, `${target}/source`],
      [
        "cargo",
        ..."build --quiet --release --offline --manifest-path".split(" "),
        `${target}/source/Cargo.toml`,
        "--target-dir",
        target,
        ...debianCrates,
      ],
    ],
    start: ({ target }) => [`${target}/release/echo`],
  },
  ...(["buffered", "tutorial"] as const).map((kind): Peer => ({
    name: kind === "buffered" ? "go" : "go-tutorial",
    title: kind === "buffered" ? "Go, bufio" : "Go, the usual tutorial",
    speaks: "frames",
    needs: { present: ["go"], install: "golang-go" },
    build: ({ sources, target }) => [["go", "build", "-o", `${target}/echo`, `${sources}/go/${kind}/main.go`]],
    start: ({ target }) => [`${target}/echo`],
  })),
  {
    name: "netty",
    title: "Netty",
    speaks: "frames",
    needs: { present: ["javac", "/usr/share/java/netty-handler.jar"], install: "default-jdk-headless libnetty-java" },
    build: ({ sources, target }) => [["javac", "-cp", nettyClasses, "-d", target, `${sources}/java/Echo.java`]],
    start: ({ target }) => ["java", "-cp", `${target}:${nettyClasses}`, "Echo"],
  },
  {
    name: "erlang",
    title: "Erlang, {packet, 4}",
    speaks: "frames",
    needs: { present: ["erlc"], install: "erlang-base" },
    build: ({ sources, target }) => [["erlc", "-o", target, `${sources}/erlang/echo.erl`]],
    // Without `none` its schedulers spin while they wait, which is CPU time of no message.
    start: ({ target }) => [
      "erl",
      ..."+sbwt none +sbwtdcpu none +sbwtdio none -noshell -s echo main -pa".split(" "),
      target,
    ],
  },
]

/** The peer of that name. */
export const byName = (name: string): Peer => {
  const peer = all.find((peer) => peer.name === name)
  if (peer === undefined) throw new Error(`no peer is called ${name}: ${all.map(({ name }) => name).join(", ")}`)
  return peer
}
