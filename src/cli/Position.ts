/**
 * Positions in a channel as one word, `12@k3v9`: the offset, and the epoch that it counts in.
 * Knows no channel.
 */
import * as Setting from "../gateway/config/Setting.ts"
import type { Position } from "../gateway/protocol/Fields.ts"

/** The word for a position; `{position}` in a template is one. */
export const format = ({ epoch, offset }: Position): string => `${offset}@${epoch}`

/** The position that a setting of this file has accepted. */
export const parse = (text: string): Position => {
  const at = text.indexOf("@")
  return { offset: Number(text.slice(0, at)), epoch: text.slice(at + 1) }
}

/** A flag for a position. */
export const setting = (key: string, purpose: string): Setting.Setting<string | undefined> =>
  Setting.text({
    key,
    purpose,
    placeholder: "<offset@epoch>",
    allowed: "a position as {position} in a template writes it, like 12@k3v9",
    fallback: undefined,
    isAllowed: (text) => /^\d{1,15}@.+$/.test(text),
  })
