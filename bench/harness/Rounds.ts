/**
 * Runs a scenario: all its peers, round after round in turn (A B C A B C …), so that whatever slows the machine down
 * slows all of them. Judges nothing.
 */
import type { Outcome } from "../load/Plan.ts"
import * as Children from "./Children.ts"
import type { Peer } from "./Peers.ts"
import type { Scenario } from "./Scenarios.ts"

/** How long, how often, how small. */
export interface Options {
  readonly rounds: number
  readonly seconds: number
  readonly warmUpSeconds: number
  /** Small loads, one round, and servers that are kept for the next scenario. */
  readonly smoke: boolean
}

/** The outcomes of a peer, one a round. */
export type Outcomes = ReadonlyMap<Peer, ReadonlyArray<Outcome>>

/** Runs one scenario for the peers that are there. */
export const run = async (
  scenario: Scenario,
  peers: ReadonlyArray<Peer>,
  servers: Children.Servers,
  options: Options,
): Promise<Outcomes> => {
  const { rounds, seconds, smoke, warmUpSeconds } = options
  const load = smoke ? scenario.smoke : scenario.load
  const isFresh = scenario.fresh !== undefined && !smoke
  const outcomes = new Map(peers.map((peer): [Peer, Array<Outcome>] => [peer, []]))
  // A round that does not count warms the servers up, code and buffers; those that must be fresh do it in their run.
  const first = smoke || isFresh ? 1 : 0
  for (let round = first; round <= Math.min(rounds, scenario.fresh?.maxRounds ?? rounds); round++) {
    for (const peer of peers) {
      const { collects = false, speaks } = peer
      const { pid, port } = await servers.obtain(peer)
      const outcome = await Children.run({ pid, port, speaks, collects, seconds, warmUpSeconds, load })
      if (round > 0) outcomes.get(peer)!.push(outcome)
      if (isFresh) await servers.stop(peer)
    }
  }
  if (!smoke) await servers.stop()
  return outcomes
}
