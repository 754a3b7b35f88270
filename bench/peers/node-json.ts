/**
 * The reference for JSON: parses every body and sends it back as text. Validates nothing.
 */
import * as NodeFrames from "./NodeFrames.ts"

NodeFrames.listen((socket) => {
  NodeFrames.onBodies(socket, (bodies) => {
    const texts: Array<string> = []
    let bytes = 0
    for (const body of bodies) {
      const text = JSON.stringify(JSON.parse(body.toString()))
      texts.push(text)
      bytes += 4 + Buffer.byteLength(text)
    }
    const out = Buffer.allocUnsafe(bytes)
    let at = 0
    for (const text of texts) {
      const length = out.write(text, at + 4)
      out.writeUInt32BE(length, at)
      at += 4 + length
    }
    socket.write(out)
    NodeFrames.pauseIfSlow(socket)
  })
})
