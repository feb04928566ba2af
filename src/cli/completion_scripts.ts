/**
 * The scripts for the shells.
 *
 * @module
 */

/** What a shell is told of a command. */
export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  /** What may follow it; files and directories where there are none. */
  readonly words: readonly string[];
  readonly options: readonly CompletedOption[];
}

/** What a shell is told of an option. */
export interface CompletedOption {
  /** Without the dashes. */
  readonly name: string;
  readonly takesValue: boolean;
  /** Its values; empty where anything goes. */
  readonly words: readonly string[];
}

const GENERAL = ["--help", "--version"];

/** For bash from 3.2 on. */
export function bashScript(commands: readonly CompletedCommand[]): string {
  const values = commands.flatMap(({ name, options }) =>
    options.filter((option) => option.takesValue).map((option) =>
      `    "${name} --${option.name}") words="${option.words.join(" ")}"; value=1 ;;\n`
    )
  );
  const rest = commands.map(({ name, words, options }) =>
    `    ${name}) options="${options.map((option) => `--${option.name}`).join(" ")}"; words="${words.join(" ")}" ;;\n`
  );
  return `# bash completion of bimiplog
_bimiplog() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}"
  local words="" options="" value=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${[...commands.map(({ name }) => name), ...GENERAL].join(" ")}" -- "$current"))
    return
  fi
  case "$command $previous" in
${values.join("")}  esac
  if [ -n "$value" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    return
  fi
  case "$command" in
${rest.join("")}  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
}
complete -o default -F _bimiplog bimiplog
`;
}

/** For zsh. */
export function zshScript(commands: readonly CompletedCommand[]): string {
  const list = commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}\n`);
  const cases = commands.map(({ name, words, options }) => {
    const specs = options.map((option) => {
      const values = option.words.length > 0 ? `(${option.words.join(" ")})` : "_files";
      return quoted(`--${option.name}${option.takesValue ? `:${option.name}:${values}` : ""}`);
    });
    const rest = quoted(words.length > 0 ? `*:word:(${words.join(" ")})` : "*:file:_files");
    return `    ${name}) _arguments ${[...specs, rest].join(" ")} ;;\n`;
  });
  return `#compdef bimiplog
_bimiplog() {
  local -a commands
  commands=(
${list.join("")}  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case "$words[1]" in
${cases.join("")}  esac
}
if [ "$funcstack[1]" = "_bimiplog" ]; then _bimiplog "$@"; else compdef _bimiplog bimiplog; fi
`;
}

/** For fish. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ name, summary, words, options }) => [
    `complete -c bimiplog -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
    ...(words.length > 0 ? [`complete -c bimiplog -n ${seen(name)} -f -a ${quoted(words.join(" "))}`] : []),
    ...options.map((option) => {
      const values = option.words.length > 0 ? ` -f -a ${quoted(option.words.join(" "))}` : "";
      return `complete -c bimiplog -n ${seen(name)} -l ${option.name}${option.takesValue ? ` -r${values}` : ""}`;
    }),
  ]);
  return `# fish completion of bimiplog\n${lines.join("\n")}\n`;
}

function seen(command: string): string {
  return quoted(`__fish_seen_subcommand_from ${command}`);
}

/** In single quotes, as all three shells take it where no such quote is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "’")}'`;
}
