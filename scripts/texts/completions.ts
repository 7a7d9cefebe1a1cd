/** Completions for bash, zsh and fish, from the table of commands: a command that is added there is completed here. */
import { COMMANDS, type CommandDescription, type OptionDescription } from '../../src/cli/commands.ts'
import { HELP_OPTION } from '../../src/cli/help.ts'

const commands: readonly CommandDescription[] = COMMANDS

const optionsOf = ({ options }: CommandDescription): [string, OptionDescription][] =>
  Object.entries({ ...options, help: HELP_OPTION })

/** What stands for a value or an argument says what completes it. */
const isPath = (value: string | undefined): boolean => value === 'FILE' || value === 'DIR'

/** In single quotes, for any shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

const flagsOf = (command: CommandDescription): string[] =>
  optionsOf(command).flatMap(([name, { short }]) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])])

export function bashCompletion(): string {
  const cases = commands.map((command) => {
    const paths = optionsOf(command)
      .filter(([, { value }]) => isPath(value))
      .flatMap(([name, { short }]) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])])
    const values = optionsOf(command).filter(([, { type, value }]) => type === 'string' && !isPath(value))
    return [
      `    ${command.name})`,
      ...(paths.length === 0
        ? []
        : [
            `      case $previous in ${paths.join('|')}) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;; esac`,
          ]),
      ...values.map(
        ([name, { choices = [] }]) =>
          `      case $previous in --${name}) mapfile -t COMPREPLY < <(compgen -W ${quoted(choices.join(' '))} -- "$current"); return ;; esac`,
      ),
      ...(command.argument === undefined
        ? []
        : [
            `      case $current in -*) ;; *) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;; esac`,
          ]),
      `      words=${quoted(flagsOf(command).join(' '))} ;;`,
    ].join('\n')
  })
  return `# bash completion for node-bootstrap
_node_bootstrap() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words=''
  COMPREPLY=()
  # "=" parts words: --for=re is three of them.
  if [ "$current" = = ]; then current=''; elif [ "$previous" = = ]; then previous=\${COMP_WORDS[COMP_CWORD-2]}; fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W ${quoted([...commands.map(({ name }) => name), '--help', '--version'].join(' '))} -- "$current")
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _node_bootstrap node-bootstrap
`
}

/** Brackets and colons mean something in the specifications of _arguments. */
const inSpecification = (text: string): string => text.replace(/[[\]:\\]/g, '\\$&')

function zshValues({ value, choices }: OptionDescription): string {
  if (choices !== undefined) return `(${choices.join(' ')})`
  return value === 'DIR' ? '_files -/' : isPath(value) ? '_files' : ' '
}

function zshSpecification(name: string, option: OptionDescription): string {
  const { short, value, description } = option
  // With "=" the value may also stand behind one: --for=joined.
  const sign = value === undefined ? '' : '='
  const names = short === undefined ? `--${name}${sign}` : `(-${short} --${name})'{-${short},--${name}${sign}}'`
  const action = value === undefined ? '' : `:${value}:${zshValues(option)}`
  return `'${names}[${inSpecification(description).replaceAll("'", `'\\''`)}]${action}'`
}

export function zshCompletion(): string {
  const described = commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary.replaceAll(':', '\\:')}`)}`)
  const cases = commands.map((command) => {
    const specifications = optionsOf(command).map(([name, option]) => zshSpecification(name, option))
    const argument =
      command.argument === undefined ? [] : [`'::${command.argument}:${isPath(command.argument) ? '_files' : ' '}'`]
    return `    ${command.name}) _arguments ${[...specifications, ...argument].join(' ')} ;;`
  })
  return `#compdef node-bootstrap
_node_bootstrap() {
  local -a commands
  commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words
  (( CURRENT -= 1 ))
  case $words[1] in
${cases.join('\n')}
  esac
}
_node_bootstrap "$@"
`
}

export function fishCompletion(): string {
  const lines = commands.flatMap((command) => {
    const { name, argument, summary } = command
    const within = `-n '__fish_seen_subcommand_from ${name}'`
    return [
      `complete -c node-bootstrap -f -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`,
      ...(isPath(argument) ? [`complete -c node-bootstrap ${within} -F`] : []),
      ...optionsOf(command).map(([option, { short, value, choices, description }]) => {
        const letter = short === undefined ? '' : ` -s ${short}`
        const parameter =
          value === undefined
            ? ''
            : isPath(value)
              ? ' -r -F'
              : ` -x${choices === undefined ? '' : ` -a ${quoted(choices.join(' '))}`}`
        return `complete -c node-bootstrap ${within}${letter} -l ${option}${parameter} -d ${quoted(description)}`
      }),
    ]
  })
  return `# fish completion for node-bootstrap\ncomplete -c node-bootstrap -f\n${lines.join('\n')}\n`
}
