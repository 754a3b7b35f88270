/**
 * `longline completions`: prints what makes a shell complete commands, flags and their values.
 * Installs nothing, and asks no gateway: names of channels are not completed.
 */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import * as Output from "./Output.ts"

/** `longline completions`, for the tree that it is part of. */
export const command = (tree: () => Command.Command.Any) =>
  Command.make(
    "completions",
    {
      shell: Argument.Literals("shell", ["bash", "zsh", "fish"]).pipe(Argument.withDescription("bash, zsh or fish")),
    },
    ({ shell }) =>
      Effect.suspend(() => {
        const root = tree()
        const script = Completions.generate(root.name, shell, Completions.fromCommand(root))
        // The library's own way to ask for it is a flag.
        return Output.lines([script.replaceAll(`${root.name} --completions`, `${root.name} completions`)])
      }),
  ).pipe(
    Command.withDescription("Print the completions for a shell."),
    Command.withShortDescription("print completions for a shell"),
    Command.withExamples([
      { command: "longline completions bash >> ~/.bashrc", description: "For bash" },
      { command: `longline completions zsh > "\${fpath[1]}/_longline"`, description: "For zsh" },
      { command: "longline completions fish > ~/.config/fish/completions/longline.fish", description: "For fish" },
    ]),
  )
