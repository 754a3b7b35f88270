import * as MemoryEngine from "../../../src/gateway/engine/MemoryEngine.ts"
import { engineContract } from "./engine.contract.ts"

engineContract("Memory", ({ retention, ...options }) =>
  MemoryEngine.make({ retention: () => retention ?? { size: 1000, ageMs: 600_000 }, ...options }),
)
