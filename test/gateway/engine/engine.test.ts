import * as Effect from "effect/Effect"
import * as LmdbEngine from "../../../src/gateway/engine/LmdbEngine.ts"
import * as MemoryEngine from "../../../src/gateway/engine/MemoryEngine.ts"
import { freshDirectory } from "./directories.ts"
import { type ContractOptions, engineContract } from "./engine.contract.ts"

const optionsOf = ({ retention, ...options }: ContractOptions) => ({
  retention: () => retention ?? { size: 1000, ageMs: 600_000 },
  ...options,
})

engineContract("Memory", (options) => MemoryEngine.make(optionsOf(options)))

for (const sync of ["always", "os"] as const) {
  engineContract(`LMDB (sync: ${sync})`, (options) =>
    Effect.flatMap(freshDirectory, (directory) => LmdbEngine.make({ directory, sync, ...optionsOf(options) })),
  )
}
