/**
 * The live connections of a server, groups of them, and broadcast: a message is encoded once for each codec, whoever gets it.
 * Owns no connection: one that ends is forgotten here, and leaves its groups.
 */
import * as Result from "effect/Result"
import type { CodecError } from "../codec/Codec.ts"
import type { Connection } from "../connection/Connection.ts"
import * as Protocol from "../connection/Protocol.ts"
import type { FrameError } from "../frame/FrameError.ts"

/** What came of a broadcast: to how many connections it went, or why it could not be encoded. */
export type Broadcast = Result.Result<number, CodecError | FrameError>

/** Connections that hear the same. It exists while it has members. */
export interface Group<in Out> {
  readonly name: string
  readonly size: number
  /**
   * Sends to every member, except one. Never waits: a member that is too slow is closed for itself. A codec that refuses
   * the message ends the broadcast: where peers may choose, those before who speak another have got it.
   */
  readonly broadcast: (
    message: Out,
    options?: { readonly except?: Connection<unknown, never> | undefined },
  ) => Broadcast
}

/** The connections of one server, as its handlers see them. */
export interface Registry<in out Out> {
  readonly size: number
  readonly get: (id: number) => Connection<unknown, Out> | undefined
  readonly connections: () => Iterable<Connection<unknown, Out>>
  /** Joins a group; joining again changes nothing. A connection leaves all its groups when it ends. */
  readonly join: (connection: Connection<unknown, Out>, group: string) => void
  readonly leave: (connection: Connection<unknown, Out>, group: string) => void
  /** The group of that name, or undefined if nobody is in it. */
  readonly group: (name: string) => Group<Out> | undefined
  /** Groups that exist. */
  readonly groups: number
  /** Sends to every connection, except one. */
  readonly broadcast: Group<Out>["broadcast"]
}

type Members<Out> = Pick<Set<Connection<unknown, Out>>, "size" | "values">

class LiveGroup<Out, M extends Members<Out> = Set<Connection<unknown, Out>>> implements Group<Out> {
  readonly name: string
  readonly members: M
  readonly #protocol: Protocol.Protocol<unknown, Out>

  constructor(name: string, protocol: Protocol.Protocol<unknown, Out>, members: M) {
    this.name = name
    this.#protocol = protocol
    this.members = members
  }

  get size(): number {
    return this.members.size
  }

  broadcast: Group<Out>["broadcast"] = (message, options) => {
    const shared = new Protocol.SharedMessage(this.#protocol, message)
    let receivers = 0
    for (const member of this.members.values()) {
      if (member === options?.except) continue
      const frame = shared.frameFor(member.codec)
      if (Result.isFailure(frame)) return Result.fail(frame.failure)
      member.sendSharedUnsafe(frame.success)
      receivers++
    }
    return Result.succeed(receivers)
  }
}

/** The registry as its server sees it. */
export class LiveRegistry<Out> implements Registry<Out> {
  readonly #protocol: Protocol.Protocol<unknown, Out>
  readonly #byId = new Map<number, Connection<unknown, Out>>()
  readonly #all: LiveGroup<Out, Members<Out>>
  readonly #groups = new Map<string, LiveGroup<Out>>()
  readonly #joined = new Map<Connection<unknown, Out>, Set<LiveGroup<Out>>>()

  constructor(protocol: Protocol.Protocol<unknown, Out>) {
    this.#protocol = protocol
    this.#all = new LiveGroup("", protocol, this.#byId)
  }

  get size(): number {
    return this.#byId.size
  }

  get groups(): number {
    return this.#groups.size
  }

  get = (id: number): Connection<unknown, Out> | undefined => this.#byId.get(id)

  connections = (): Iterable<Connection<unknown, Out>> => ({
    [Symbol.iterator]: () => this.#byId.values(),
  })

  add(connection: Connection<unknown, Out>): void {
    this.#byId.set(connection.id, connection)
  }

  remove(connection: Connection<unknown, Out>): void {
    this.#byId.delete(connection.id)
    for (const group of this.#joined.get(connection) ?? []) this.#forget(connection, group)
    this.#joined.delete(connection)
  }

  join = (connection: Connection<unknown, Out>, name: string): void => {
    // One that has ended would stay for ever.
    if (!this.#byId.has(connection.id)) return
    let group = this.#groups.get(name)
    if (group === undefined) {
      group = new LiveGroup(name, this.#protocol, new Set())
      this.#groups.set(name, group)
    }
    group.members.add(connection)
    const joined = this.#joined.get(connection)
    if (joined === undefined) this.#joined.set(connection, new Set([group]))
    else joined.add(group)
  }

  leave = (connection: Connection<unknown, Out>, name: string): void => {
    const group = this.#groups.get(name)
    if (group === undefined) return
    this.#joined.get(connection)?.delete(group)
    this.#forget(connection, group)
  }

  group = (name: string): Group<Out> | undefined => this.#groups.get(name)

  broadcast: Group<Out>["broadcast"] = (message, options) => this.#all.broadcast(message, options)

  #forget(connection: Connection<unknown, Out>, group: LiveGroup<Out>): void {
    group.members.delete(connection)
    if (group.members.size === 0) this.#groups.delete(group.name)
  }
}
