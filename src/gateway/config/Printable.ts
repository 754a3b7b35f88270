/**
 * Makes text safe for one line of a terminal or a comment. Shortens nothing.
 */

/** The text with every control character written as its escape: none reaches a terminal as itself. */
export const of = (text: string): string =>
  text.replaceAll(/\p{Cc}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)
