/** docs/conformance.md knows every rule as it is judged. */
import { assert, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import * as ClientRules from "../../src/conformance/ClientRules.ts"
import * as ServerRules from "../../src/conformance/ServerRules.ts"
import type { ServerRule } from "../../src/conformance/ServerRule.ts"
import type { Rule } from "../../src/conformance/Verdict.ts"

const text = readFileSync(new URL("../../docs/conformance.md", import.meta.url), "utf8")

const tableOf = (rules: ReadonlyArray<Rule & Pick<ServerRule, "needsFrames">>) =>
  rules
    .map(({ id, needsFrames, section, text }) => `| \`${id}\`${needsFrames ? " †" : ""} | ${section} | ${text} |`)
    .join("\n")

it.each([
  ["servers", ServerRules.all],
  ["clients", ClientRules.all],
] as const)("docs/conformance.md has the rules for %s, and no others", (_, rules) => {
  assert.include(text, `|---|---|---|\n${tableOf(rules)}\n\n`)
})
