import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { bashCompletion, fishCompletion, zshCompletion } from '../../../scripts/texts/completions.ts'
import { COMMANDS, GOALS, type CommandDescription } from '../../../src/cli/commands.ts'

const commands: readonly CommandDescription[] = COMMANDS
const names = commands.map(({ name }) => name)
const optionsOf = ({ options }: CommandDescription): string[] => [...Object.keys(options), 'help']
const sorted = (words: Iterable<string>): string[] => [...words].sort()
const found = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, word = '']) => word)

/** What bash offers for the last of these words, parted as readline parts them. */
function offered(...words: string[]): string[] {
  const program = `eval "$(cat)"; COMP_WORDS=(node-bootstrap "$@"); COMP_CWORD=$#
    compopt() { :; }; _node_bootstrap; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { status, stdout, stderr } = spawnSync('bash', ['-c', program, 'bash', ...words], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    input: bashCompletion(),
  })
  assert.deepEqual([status, stderr], [0, ''])
  return stdout.split('\n').filter((word) => word !== '')
}

const lacks = (program: string): boolean => spawnSync(program, ['--version']).status !== 0

/** Skipped, with the reason, where the shell is not there. */
const syntax = (shell: string, text: string): void => {
  const isMissing = lacks(shell)
  ;(isMissing ? it.skip : it)(`has the syntax of ${shell}${isMissing ? ` (skipped: no ${shell})` : ''}`, () => {
    const { status, stderr } = spawnSync('sh', ['-c', `cat | ${shell} -n /dev/stdin`], {
      encoding: 'utf8',
      input: text,
    })
    assert.deepEqual([status, stderr], [0, ''])
  })
}

describe('completion in bash', () => {
  it('offers the commands, and those that begin as the word does', () => {
    assert.deepEqual(sorted(offered('')), sorted([...names, '--help', '--version']))
    assert.deepEqual(offered('wa'), ['wait'])
  })

  for (const command of commands)
    it(`offers the options of ${command.name}`, () => {
      const long = offered(command.name, '--').map((word) => word.slice(2))
      assert.deepEqual(sorted(long), sorted(optionsOf(command)))
    })

  it('offers what wait can wait for, with = and without', () => {
    assert.deepEqual(offered('wait', '--for', ''), [...GOALS])
    assert.deepEqual(offered('wait', '--for', '='), [...GOALS])
    assert.deepEqual(offered('wait', '--for', '=', 're'), ['renewed'])
  })

  it('offers files where one is to be named, and nothing for a duration', () => {
    assert.deepEqual(offered('run', '--config', 'completions'), ['completions.test.ts'])
    assert.deepEqual(offered('run', '--config', '=', 'completions'), ['completions.test.ts'])
    assert.deepEqual(offered('run', '-c', 'completions'), ['completions.test.ts'])
    assert.deepEqual(offered('validate', 'completions'), ['completions.test.ts'])
    assert.deepEqual(offered('wait', '--timeout', ''), [])
  })
})

describe('completion in zsh', () => {
  const text = zshCompletion()
  syntax('zsh', text)

  it('offers exactly the commands', () => {
    assert.deepEqual(found(text, /^ {4}'([a-z]+):/gm), names)
  })

  for (const command of commands)
    it(`offers exactly the options of ${command.name}`, () => {
      const [line = ''] = found(text, new RegExp(`^ {4}${command.name}\\) (_arguments .*) ;;$`, 'gm'))
      assert.deepEqual(sorted(found(line, /--([a-z-]+)=?(?:\[|\}'\[)/g)), sorted(optionsOf(command)))
    })

  it('offers what wait can wait for', () => {
    assert.deepEqual(found(text, /'--for=\[[^\]]*\]:GOAL:\((.*?)\)'/g), [GOALS.join(' ')])
  })
})

describe('completion in fish', () => {
  const text = fishCompletion()
  syntax('fish', text)

  it('offers exactly the commands', () => {
    assert.deepEqual(found(text, /-n __fish_use_subcommand -a (\S+)/g), names)
  })

  for (const command of commands)
    it(`offers exactly the options of ${command.name}`, () => {
      const own = text.split('\n').filter((line) => line.includes(`__fish_seen_subcommand_from ${command.name}'`))
      assert.deepEqual(sorted(found(own.join('\n'), / -l (\S+)/g)), sorted(optionsOf(command)))
    })

  it('offers what wait can wait for', () => {
    assert.deepEqual(found(text, / -l for -x -a '(.*?)'/g), [GOALS.join(' ')])
  })
})
