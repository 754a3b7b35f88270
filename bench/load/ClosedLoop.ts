/**
 * Closed loop: every connection sends a frame for each that came back, several in one write if several came at once.
 * Knows no clock: the server's speed is the pace.
 */
import { EchoScript } from "./EchoScript.ts"
import type { Load, Outcome, Plan } from "./Plan.ts"
import * as Sockets from "./Sockets.ts"
import * as Window from "./Window.ts"

/** Runs until the window is over, and then until every frame has come back. */
export const run = async (plan: Plan, load: Extract<Load, { kind: "closed" }>): Promise<Outcome> => {
  const { body, bodyBytes, connections, inFlight } = load
  const scripts = Array.from(
    { length: connections },
    (_, connection) => new EchoScript({ connection, inFlight, body, bodyBytes }),
  )
  const peers = await Sockets.connectAll(plan.port, connections)
  let echoes = 0
  let isOver = false
  peers.forEach((peer, connection) => {
    const script = scripts[connection]!
    peer.receive = (buffer, bytes) => {
      const whole = script.check(buffer, bytes)
      echoes += whole
      if (whole > 0 && !isOver) peer.write(script.next(whole))
    }
    peer.write(script.next(inFlight))
  })
  const outcome = await Window.measure(plan, () => echoes)
  isOver = true
  const missing = () => scripts.reduce((sum, { received, sent }) => sum + sent - received, 0)
  await Window.until(
    () => missing() === 0,
    () => `${missing()} frames had not come back`,
  )
  await Sockets.closeAll(peers)
  return outcome
}
