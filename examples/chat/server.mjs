/**
 * Serves the chat's page and its script, the client bundled in. Knows nothing of chats: the page talks to the gateway.
 *
 *     node dist/main.js --ws-origins http://127.0.0.1:7600      # the gateway lets the page in
 *     node examples/chat/server.mjs                             # http://127.0.0.1:7600, in as many tabs as you like
 *
 * Another port, and where the gateway is: `node examples/chat/server.mjs 7601 ws://127.0.0.1:7558/connect`.
 */
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

const [port = "7600", gateway = "ws://127.0.0.1:7558/connect"] = process.argv.slice(2)

const built = await rolldown({ input: fileURLToPath(new URL("chat.mjs", import.meta.url)), platform: "browser" })
const { output } = await built.generate({ format: "esm", minify: true })
const files = new Map(output.map((file) => [`/${file.fileName}`, file.type === "chunk" ? file.code : file.source]))

const page = readFileSync(new URL("index.html", import.meta.url), "utf8").replaceAll("{gateway}", gateway)

const headers = {
  // The script of this server and no other, and connections to the gateway and nowhere else.
  "Content-Security-Policy": `default-src 'self'; style-src 'unsafe-inline'; connect-src ${new URL(gateway).origin}`,
  "X-Content-Type-Options": "nosniff",
}

const server = createServer(({ method, url = "/" }, response) => {
  const path = url.split("?")[0]
  const script = files.get(path)
  if (method !== "GET" || (path !== "/" && script === undefined)) return void response.writeHead(404).end("not here\n")
  const type = script === undefined ? "text/html" : "text/javascript"
  response.writeHead(200, { ...headers, "Content-Type": `${type}; charset=utf-8` }).end(script ?? page)
})

server.listen(Number(port), "127.0.0.1", () => {
  console.log(`the chat is on http://127.0.0.1:${server.address().port}, its gateway at ${gateway}`)
})
