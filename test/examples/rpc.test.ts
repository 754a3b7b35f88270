/** The code in docs/rpc.md compiles, runs, and prints what the document says, on a port that is free. Needs a build. */
import { assert, it } from "@effect/vitest"
import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import { fileURLToPath } from "node:url"
import * as Spawned from "../support/spawned.ts"
import * as Snippets from "./snippets.ts"

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

it("docs/rpc.md prints what it says", async () => {
  const port = await freePort()
  const compiled = Snippets.compile("docs/rpc.md", (program) => program.replace("port = 7559", `port = ${port}`))
  const run = Spawned.start(process.execPath, [fileURLToPath(new URL(`../../build/${compiled}.js`, import.meta.url))])
  const { code } = await run.exited
  assert.deepStrictEqual(
    { code, lines: run.lines, errors: run.errorLines },
    { code: 0, lines: Snippets.blocks("docs/rpc.md", "text").join("").trimEnd().split("\n"), errors: [] },
  )
})
