import { assert, describe, it } from "@effect/vitest"
import { isHost, isLoopback } from "../../src/gateway/config/Host.ts"

describe("Host", () => {
  it.each(["127.0.0.1", "127.255.255.255", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost", "LocalHost"])(
    "%s stays on this machine",
    (host) => {
      assert.deepStrictEqual([isHost(host), isLoopback(host)], [true, true])
    },
  )

  it.each([
    "0.0.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "10.0.0.1",
    "::",
    "::2",
    "fe80::1%eth0",
    "::ffff:10.0.0.1",
    // The resolver takes these two for 127.0.0.1 and 0.0.0.0: as names they are not trusted.
    "127.1",
    "0",
    "localhost.example",
    "my_service",
    "a".repeat(253),
  ])("%s can be reached from outside", (host) => {
    assert.deepStrictEqual([isHost(host), isLoopback(host)], [true, false])
  })

  it.each(["", "*", " ", "a b", "[::1]", "127.0.0.1:7557", "-a", ".a", "a\n", "a".repeat(254)])(
    "%j is no host",
    (host) => {
      assert.deepStrictEqual(isHost(host), false)
    },
  )
})
