/**
 * The floor of Node: every chunk goes back as it came. Knows no frames, so what it costs is the system's part and `node:net`'s.
 */
import * as NodeFrames from "./NodeFrames.ts"

NodeFrames.listen((socket) => {
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk: Buffer) => {
    socket.write(chunk)
    NodeFrames.pauseIfSlow(socket)
  })
})
