/**
 * Starts the gateway as people do, `node dist/main.js`, and knows its address. Refuses to build it: `npm test` does that
 * beforehand.
 */
import { fileURLToPath } from "node:url"
import * as Spawned from "./spawned.ts"

/** A gateway that is ready. `address` is `127.0.0.1:PORT` or the unix path; `port` is 0 for the latter. */
export interface Gateway extends Spawned.Spawned {
  readonly address: string
  readonly port: number
}

/** The program under test. */
export const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

/** Starts a gateway on a port of its own (or on the `--port` or `--unix` path given) and waits until it says that it is ready. */
export const start = async (args: ReadonlyArray<string> = []): Promise<Gateway> => {
  const listen = args.includes("--unix") || args.includes("--port") ? [] : ["--port", "0"]
  const gateway = Spawned.start(process.execPath, [program, ...listen, "--log-format", "json", ...args])
  try {
    const address = await gateway.line("ready line (listening on ...)", readyAddress)
    return { ...gateway, address, port: Number(/:(\d+)$/.exec(address)?.[1] ?? 0) }
  } catch (error) {
    await gateway.stop("SIGKILL")
    throw error
  }
}

/** The only reader of the ready line: whatever surrounds it, the address stands behind "listening on ". */
const readyAddress = (line: string): string | undefined => /listening on ([^\s"',]+)/.exec(line)?.[1]
