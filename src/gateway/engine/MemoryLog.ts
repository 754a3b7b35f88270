/**
 * The publications of one channel in a ring of cells, from which each is made again when it is read: publishing is more
 * frequent than reading, and what a publication leaves behind is then one object, its data, for the collector to move.
 * Objects linked to each other were six, and a tenth of a publish (bench, publish). Bounds nothing.
 */
import { noSlot, type Entry } from "../../connection/DeadlineQueue.ts"
import * as Data from "../protocol/Data.ts"
import type { Sender, Tags } from "../protocol/Fields.ts"
import type { Publication } from "./Engine.ts"

/** A publication kept. */
export interface Kept {
  /** Its offset is one more than that of the one before it. */
  readonly publication: Publication
  /** Of data and tags. */
  readonly bytes: number
  /** When it was added, as the caller's clock of ages had it. */
  readonly at: number
  /** Its place among those of all logs. */
  readonly number: number
}

/** Data (a text is JSON), sender and tags. */
const valueCells = 3

/** Time, bytes, `at` and number: apart from the others, because an array of nothing but numbers holds them in itself. */
const numberCells = 4

/** Publications that a log has room for at the least, once it has had a second one. */
const leastCapacity = 4

/** The publications of one channel, an entry in a queue of logs by the number of their oldest. */
export class Log implements Entry {
  slot = noSlot
  length = 0
  /** The offset of the oldest. */
  firstOffset = 0
  /** Where the oldest is. */
  private head = 0
  private capacity = 1
  private values: Array<unknown> = [undefined, undefined, undefined]
  private numbers: Array<number> = [0, 0, 0, 0]

  /** The number of the oldest. */
  get deadline(): number {
    return this.numbers[this.head * numberCells + 3]!
  }

  /** `at` of the oldest. */
  get oldestAt(): number {
    return this.numbers[this.head * numberCells + 2]!
  }

  /** By its place, 0 for the oldest. */
  at(index: number): Kept | undefined {
    if (index < 0 || index >= this.length) return undefined
    const place = (this.head + index) % this.capacity
    const value = place * valueCells
    const [data, from, tags] = this.values.slice(value, value + valueCells) as [string | Uint8Array, Sender?, Tags?]
    const cell = place * numberCells
    const [time, bytes, at, number] = this.numbers.slice(cell, cell + numberCells) as [number, number, number, number]
    const offset = this.firstOffset + index
    const publication = {
      offset,
      previous: offset - 1,
      time,
      data: typeof data === "string" ? ({ type: "json", text: data } as const) : Data.binary(data),
      ...(from !== undefined && { from }),
      ...(tags !== undefined && { tags }),
    }
    return { publication, bytes, at, number }
  }

  /** Adds the newest. */
  push({ at, bytes, number, publication }: Kept): void {
    const { data, from, offset, tags, time } = publication
    if (this.length === 0) this.firstOffset = offset
    if (this.length === this.capacity) this.resize(Math.max(leastCapacity, 2 * this.length))
    const place = (this.head + this.length++) % this.capacity
    const { numbers, values } = this
    const value = place * valueCells
    values[value] = data.type === "json" ? data.text : data.bytes
    values[value + 1] = from
    values[value + 2] = tags
    const cell = place * numberCells
    numbers[cell] = time
    numbers[cell + 1] = bytes
    numbers[cell + 2] = at
    numbers[cell + 3] = number
  }

  /** Forgets the oldest of at least one, and says how many bytes it had. */
  shift(): number {
    const { head, values } = this
    const bytes = this.numbers[head * numberCells + 1]!
    for (let cell = head * valueCells; cell < (head + 1) * valueCells; cell++) values[cell] = undefined
    this.head = (this.head + 1) % this.capacity
    this.length--
    this.firstOffset++
    // What is mostly empty is given back: it is not counted.
    if (this.capacity > leastCapacity && this.length * 4 <= this.capacity) this.resize(this.capacity / 2)
    return bytes
  }

  /** Everything is moved after as much was added or taken: O(1) for each. */
  private resize(capacity: number): void {
    this.values = unrolled(this.values, this.head * valueCells, capacity * valueCells)
    this.numbers = unrolled(this.numbers, this.head * numberCells, capacity * numberCells)
    this.head = 0
    this.capacity = capacity
  }
}

/** A ring of so many cells that begins with the head of another. Copied by the engine, so that numbers stay plain ones. */
const unrolled = <A>(ring: ReadonlyArray<A>, head: number, count: number): Array<A> => {
  const cells = ring.slice(head).concat(ring.slice(0, head))
  cells.length = count
  return cells
}
