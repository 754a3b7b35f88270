/**
 * Where the buffers of frames in pieces come from; large ones from memory that the C library keeps for the next.
 * Counts nothing and hands nothing out twice: who may hold how much, the decoder and the memory budget decide.
 *
 * Left to itself, glibc gives large buffers back to the system when V8 frees them, and each frame of 1 MiB faults in all of
 * its 256 pages again: half of what it costs on a busy machine (bench, echo-1m: 240 faults a frame, and one with this). Both
 * bounds of glibc grow with what was freed: after a buffer of almost 32 MiB it keeps up to 64 MiB of free memory. That
 * buffer is never touched, so it takes no memory itself, and V8 frees it with the first frames. Other C libraries do not
 * mind. A process that gets no such frame keeps what it had.
 */
import * as Context from "effect/Context"
import * as Bytes from "../frame/Bytes.ts"
import type { Options } from "../frame/FrameDecoder.ts"

/** From this size on glibc asks the system for each buffer (`M_MMAP_THRESHOLD`), until it has learnt better. */
export const mappedBytes = 128 * 1024

/** The largest size that glibc learns from is 32 MiB, with its own header and whole pages. */
export const lessonBytes = 32 * 1024 * 1024 - 64 * 1024

/** Decoders that share this have the C library taught once, before their first large frame. */
export const make = (allocate: (bytes: number) => Uint8Array = Bytes.here.own): Options => {
  let isTaught = false
  return {
    allocate: (bytes) => {
      if (bytes >= mappedBytes && !isTaught) {
        isTaught = true
        allocate(lessonBytes)
      }
      return allocate(bytes)
    },
  }
}

/**
 * How decoders allocate. A process has one, as it has one C library: with one for each, 300 connections dialled side by side
 * that got 256 KiB each had 300 times 32 MiB allocated, and V8 collected for each of them, 2.7 times the CPU time.
 */
export const FrameMemory = Context.Reference<Options>("longline/connection/FrameMemory", {
  defaultValue: () => make(),
})
