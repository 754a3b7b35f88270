/** The rules that a client is held to (docs/protocol.md), and what was seen of them so far. Shows nobody: `ClientCheck` does. */
import * as Verdict from "./Verdict.ts"

const rule = (id: string, section: number, text: string): Verdict.Rule => ({ id, section, text })

/** Every rule for clients, in the order in which they are seen. */
export const all = [
  rule("connect.first", 4, "connect comes first, in version 1, well formed and within 16 KiB"),
  rule("messages.wellFormed", 4, "every message is well formed, and no frame is over the limit"),
  rule("frames.split", 1, "a frame may come byte by byte, with fields that are not known"),
  rule("heartbeat.answered", 3, "every heartbeat is answered with a heartbeat"),
  rule("messages.unknownType", 10, "a message of an unknown type is passed over"),
  rule("error.stray", 8, "an error, with or without an id, does not end the connection"),
  rule(
    "publications.gap",
    9,
    "a previous that is not the last offset seen makes it subscribe again, with its position",
  ),
  rule("publications.duplicate", 9, "a publication that was seen before does not move the position"),
  rule("gap.position", 7, "a gap moves the last offset seen to its end"),
  rule("reconnect.bye", 9, "after a bye whose retry is backoff it comes back"),
  rule("reconnect.waitMs", 9, "not before waitMs of the bye have passed"),
  rule("session.sent", 6, "it sends its session along"),
  rule("position.sent", 9, "it subscribes again with the last offset seen"),
  rule("reconnect.reset", 9, "after a reset it comes back"),
  rule("session.latestKey", 6, "the key that it sends is that of the latest connected"),
  rule("recovery.more", 5, "with more: true the position is that of the last publication heard"),
  rule("heartbeat.silence", 3, "hearing nothing for intervalMs and timeoutMs, it leaves"),
  rule("recovery.no", 5, "after recovered: no it goes on from the new position and epoch"),
  rule("serve.again", 6, "it serves again on each connection"),
  rule("serve.answered", 4, "a request is answered once, with its id"),
  rule("publish.repeated", 9, "a publish without an answer is repeated with the same key and data"),
  rule("bye.never", 9, "after a bye whose retry is never it does not come back"),
] as const satisfies ReadonlyArray<Verdict.Rule>

/** What has been seen. A rule that was broken once stays broken. */
export class Ledger {
  readonly #broken = new Map<string, string>()
  readonly #kept = new Set<string>()
  #why = "the client did nothing that shows it"

  /** The rule was kept, or broken: `seen` is what was seen instead. */
  judge(id: string, isKept: boolean, seen: string): void {
    if (isKept) this.#kept.add(id)
    else if (!this.#broken.has(id)) this.#broken.set(id, seen)
  }

  /** Why what has not been seen will not be. */
  stop(why: string): void {
    this.#why = why
  }

  /** A verdict for each rule. */
  get verdicts(): ReadonlyArray<Verdict.Verdict> {
    return all.map((rule): Verdict.Verdict => {
      const detail = this.#broken.get(rule.id)
      if (detail !== undefined) return { ...rule, outcome: "fail", detail }
      return this.#kept.has(rule.id) ? { ...rule, outcome: "pass" } : { ...rule, outcome: "notSeen", detail: this.#why }
    })
  }
}
