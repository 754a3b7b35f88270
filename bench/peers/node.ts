/**
 * The reference: a hand-written echo on `node:net`, one write a chunk. Looks into no body.
 */
import * as NodeFrames from "./NodeFrames.ts"

NodeFrames.listen((socket) => {
  NodeFrames.onBodies(socket, (bodies) => NodeFrames.writeBodies(socket, bodies))
})
