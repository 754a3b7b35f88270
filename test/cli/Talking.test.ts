import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { longline, refused } from "./harness.ts"

describe("mistakes in a command that talks to a gateway", () => {
  const urls = "tcp://host:port, tls://host:port, ws://host:port/path, wss://host:port/path, unix:/path or host:port"
  it.effect.each([
    [["sub"], "<channel> must be given"],
    [["sub", "a", "--count", "0"], `--count is "0"; it must be a whole number from 1 to 9007199254740991`],
    [
      ["sub", "a", "--position", "7"],
      `--position is "7"; it must be a position as {position} in a template writes it, like 12@k3v9`,
    ],
    [["sub", "a", "b", "--position", "7@e"], "--position is one channel's, and excludes --history"],
    [["sub", "a", "--json", "--raw"], "--template, --raw and --json exclude each other"],
    [
      ["hist", "a", "--template", "{what}"],
      "--template has {what}; there is {channel}, {offset}, {epoch}, {position}, {data}, {raw}, {time}, {connection}, {user}, {tags}",
    ],
    [["pub", "a", "1", "--text", "--binary"], "--text and --binary exclude each other"],
    [["pub", "a", "--count", "2"], "--count must be left out when standard input is published"],
    [
      ["req", "a", "1", "--timeout", "5"],
      `--timeout is "5"; it must be a duration from 1ms to 24h, written like 500ms, 25s, 2m or 1h`,
    ],
    [["reply", "a"], "one of --echo, --answer and --command says what to answer"],
    [["reply", "a", "--echo", "--answer", "1"], "one of --echo, --answer and --command says what to answer"],
    [["rtt", "--url", "http://a"], `--url is "http://a"; it must be ${urls}`],
    [
      ["rtt", "--url", "127.0.0.1:1", "--ca", "x"],
      "--ca must be left out: tcp://127.0.0.1:1 is not encrypted (tls:// and wss:// are)",
    ],
    [["rtt", "--url", "tls://a", "--tls-key", "x"], "--tls-cert and --tls-key must be given together"],
    [
      ["rtt", "--token-file", "/nonexistent"],
      `--token-file is "/nonexistent"; it must be a file that can be read (ENOENT: no such file or directory)`,
    ],
    [["rtt", "--token-file", "/empty"], `--token-file is "/empty"; it must be a file that is not empty`],
    [["context", "save", "a", "--url", "b"], "there is no HOME and no XDG_CONFIG_HOME to keep contexts in"],
    [["sub", "a", "--colour"], "unknown flag --colour; --help lists them all"],
    [["subs", "a"], "unknown command subs; did you mean sub?"],
  ] as const)("%j is answered with one line, and exit code 2", ([args, line]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* longline({ args, files: { "/empty": " \n" } }), refused(line))
    }),
  )

  it.effect("an address in the environment is named as such", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* longline({ args: ["rtt"], env: { LONGLINE_URL: "http://a" } }),
        refused(`LONGLINE_URL is "http://a"; it must be ${urls}`),
      )
    }),
  )
})
