/**
 * The command `token`: makes tokens for clients, and says of one what the gateway would say.
 * Takes no secret as an argument, where other users of the machine could read it, and prints none.
 */
import * as Command from "effect/cli/Command"
import * as TokenCheck from "./TokenCheck.ts"
import * as TokenMake from "./TokenMake.ts"

/** `longline token make` and `longline token check`. */
export const command = Command.make("token").pipe(
  Command.withDescription("Make and check the tokens that clients authenticate with."),
  Command.withShortDescription("make and check tokens"),
  Command.withSubcommands([TokenMake.command, TokenCheck.command]),
)
