import { defineConfig } from "vitest/config"

// Node 20 lacks Map.groupBy, which vitest's reporters call as soon as a test fails.
const map = Map as unknown as { groupBy?: unknown }
map.groupBy ??= (items: Iterable<unknown>, keyOf: (item: unknown, index: number) => unknown) => {
  const groups = new Map<unknown, Array<unknown>>()
  let index = 0
  for (const item of items) {
    const key = keyOf(item, index++)
    groups.set(key, [...(groups.get(key) ?? []), item])
  }
  return groups
}

export default defineConfig({
  test: { include: ["test/**/*.test.ts"], testTimeout: 20_000, hookTimeout: 20_000 },
})
