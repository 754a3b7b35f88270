/** docs/configuration.md knows every setting as the tables of settings have it, and its example loads. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import * as AuthSettings from "../../src/gateway/config/AuthSettings.ts"
import * as LimitSettings from "../../src/gateway/config/LimitSettings.ts"
import * as PolicySettings from "../../src/gateway/config/PolicySettings.ts"
import type { Table } from "../../src/gateway/config/Reading.ts"
import * as ServerSettings from "../../src/gateway/config/ServerSettings.ts"
import { webSocket } from "../../src/gateway/config/WebSocketSettings.ts"
import * as Setting from "../../src/gateway/config/Setting.ts"
import { configFile, settings } from "../../src/gateway/config/Settings.ts"
import { longline } from "../cli/harness.ts"

const text = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8")

const code = (name: string): string => `\`${name}\``

const rowOf = (setting: Setting.Setting<unknown>): string => {
  const names = [
    ...(setting.places.includes("flag") ? [Setting.flagName(setting)] : []),
    ...(setting.places.includes("environment") ? [Setting.environmentName(setting)] : []),
  ]
  const fallback = setting.fallbackText ?? ""
  const cells = [
    setting.places.includes("file") ? code(setting.key) : "",
    ...(setting.places.join() === "file" ? [] : [names.map(code).join(" ")]),
    fallback,
    setting.purpose,
    setting.allowed,
  ]
  return `| ${cells.join(" | ")} |`
}

const tables: ReadonlyArray<readonly [string, Table]> = [
  ["the file", { configFile }],
  ["listening", ServerSettings.listen],
  ["TLS", ServerSettings.tls],
  ["WebSockets", webSocket],
  ["limits", LimitSettings.limits],
  ["times", ServerSettings.times],
  ["data", ServerSettings.data],
  ["authentication", AuthSettings.auth],
  ["the log", ServerSettings.log],
  ["policies", PolicySettings.policy],
]

const example = (format: string): string => new RegExp(`\`\`\`${format}\n([^]*?)\`\`\``).exec(text)?.[1] ?? ""

/** What the examples name: a directory is not looked at, files are. */
const files = { "/etc/longline/secret": "0123456789abcdef0123456789abcdef\n", "price.json": `{ "type": "number" }` }

describe("docs/configuration.md", () => {
  for (const [name, table] of tables) {
    it(`has the table of ${name}`, () => {
      assert.include(text, `|\n${Object.values(table).map(rowOf).join("\n")}\n\n`)
    })
  }

  it("leaves no setting out", () => {
    const documented = tables.flatMap(([, table]) => Object.values(table))
    assert.deepStrictEqual(
      Object.values<Setting.Setting<unknown>>(settings).filter((setting) => !documented.includes(setting)),
      [],
    )
  })

  it.effect("has an example that loads, and says the same in TOML", () =>
    Effect.gen(function* () {
      const load = (name: string, format: string) =>
        longline({
          args: ["print-config", "--json", "--config", name],
          files: { ...files, [name]: example(format) },
        })
      const [yaml, toml] = [yield* load("longline.yaml", "yaml"), yield* load("longline.toml", "toml")]
      assert.deepStrictEqual([yaml.stderr, toml.stderr], ["", ""])
      const { config } = JSON.parse(yaml.stdout)
      assert.deepStrictEqual(config, JSON.parse(toml.stdout).config)
      assert.deepStrictEqual(Object.keys(config.namespaces), ["chat", "prices", "jobs"])
    }),
  )
})
