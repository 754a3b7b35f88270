/** The generated code is what `npm run generate` makes of `longline.proto`. Refuses to skip: without protoc it fails. */
import { assert, it } from "@effect/vitest"
import { execFileSync, spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../../", import.meta.url))
const folder = "src/gateway/protocol"
const generated = `${folder}/gen/longline_pb.ts`
const isMissing = spawnSync("protoc", ["--version"]).error !== undefined

it(`${generated} is what npm run generate makes${isMissing ? " (protoc is missing: apt-get install protobuf-compiler)" : ""}`, () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: { generate: string } }
  const elsewhere = mkdtempSync(join(tmpdir(), "longline-proto-"))
  try {
    mkdirSync(join(elsewhere, folder, "gen"), { recursive: true })
    cpSync(join(root, folder, "longline.proto"), join(elsewhere, folder, "longline.proto"))
    symlinkSync(join(root, "node_modules"), join(elsewhere, "node_modules"))
    execFileSync("sh", ["-c", scripts.generate], { cwd: elsewhere })
    assert.strictEqual(readFileSync(join(elsewhere, generated), "utf8"), readFileSync(join(root, generated), "utf8"))
  } finally {
    rmSync(elsewhere, { recursive: true })
  }
})
