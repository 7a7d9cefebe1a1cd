/**
 * The checks that keep a stranger out, and what makes a write durable, each taken away once: `if (…) throw` and
 * `if (…) return` of a refusal, operand by operand, every other throw, every `.filter(…)`, every call of a function that
 * only requires or syncs, and every setting of TLS that verifies, are found in the sources themselves, so that a new one
 * cannot be forgotten. What is none of these is listed by hand.
 */
import ts from 'typescript'

export interface Mutant {
  id: number
  file: string
  line: number
  /** The code that a survivor is named by. */
  code: string
  becomes: string
}

/** One expression, somewhere in a file exactly once, and what it becomes. */
export interface Listed {
  file: string
  expression: string
  becomes: string
}

/** A mutant that changes nothing that can be seen, and why. */
export interface Excused {
  file: string
  /** As the mutant's `code`. */
  code: string
  why: string
}

interface Mutated {
  text: string
  mutants: Mutant[]
  /** Of `listed`: not there, or more than once. */
  stale: Listed[]
}

/** Whether mutant number `id` is the one in force. */
const inForce = (id: number): string => `(globalThis.mutantInForce === ${id})`

/** `if (…) return` of these is a refusal in the files that are looked at. */
function isRefusal(node: ts.Expression | undefined): boolean {
  if (node === undefined) return false
  if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) return true
  if (ts.isNewExpression(node)) return node.expression.getText().endsWith('Error')
  return node.kind === ts.SyntaxKind.FalseKeyword || (ts.isIdentifier(node) && node.text === 'undefined')
}

/** A rethrow refuses nothing by itself. */
const isThrow = (node: ts.Node): node is ts.ThrowStatement =>
  ts.isThrowStatement(node) && !ts.isIdentifier(node.expression)

function refuses(statement: ts.Statement): boolean {
  if (ts.isBlock(statement)) return statement.statements.some(refuses)
  return isThrow(statement) || (ts.isReturnStatement(statement) && isRefusal(statement.expression))
}

/** The operands of a chain of `||`; the expression itself where it is none. */
function alternatives(node: ts.Expression): ts.Expression[] {
  if (ts.isParenthesizedExpression(node)) return alternatives(node.expression)
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.BarBarToken)
    return [...alternatives(node.left), ...alternatives(node.right)]
  return [node]
}

/** Settings of a TLS connection, and what each is where it verifies nothing or as little as it can. */
const WEAKENED: Readonly<Record<string, string>> = {
  rejectUnauthorized: 'false',
  minVersion: "'TLSv1'",
  maxCachedSessions: '100',
  checkServerIdentity: '(() => undefined)',
}

/** The function in `list.filter(…)`. */
function filterOf(node: ts.Node): ts.Expression | undefined {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return undefined
  return node.expression.name.text === 'filter' ? node.arguments[0] : undefined
}

/** `requireThis(…)` as a statement throws or does nothing, and `of.sync…(…)` does nothing that a look at the files shows. */
const isRequirement = (node: ts.Node): node is ts.ExpressionStatement =>
  ts.isExpressionStatement(node) &&
  /^(await )?(require[A-Z]|(\w+\.)?sync(Directory)?\()/.test(node.expression.getText())

interface Edit {
  start: number
  end: number
  text: string
}

/** `source` with every mutant in it, each behind a question that only its own number answers. */
export function mutateSource(file: string, source: string, listed: readonly Listed[], firstId: number): Mutated {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true)
  const edits: Edit[] = []
  const mutants: Mutant[] = []
  const add = (start: number, end: number, becomes: string, text: (id: number, code: string) => string): void => {
    // What stands inside another mutant goes with that one.
    if (edits.some((edit) => start < edit.end && edit.start < end)) return
    const id = firstId + mutants.length
    const code = source.slice(start, end).replace(/\s+/g, ' ')
    const line = tree.getLineAndCharacterOfPosition(start).line + 1
    mutants.push({ id, file, line, code, becomes })
    edits.push({ start, end, text: text(id, source.slice(start, end)) })
  }
  const stale: Listed[] = []
  for (const entry of listed.filter((one) => one.file === file)) {
    const start = source.indexOf(entry.expression)
    if (start === -1 || source.includes(entry.expression, start + 1)) stale.push(entry)
    else
      add(
        start,
        start + entry.expression.length,
        entry.becomes,
        (id, code) => `(${inForce(id)} ? (${entry.becomes}) : (${code}))`,
      )
  }
  const replaceByValue = (node: ts.Node): void => {
    const setting = ts.isPropertyAssignment(node) ? WEAKENED[node.name.getText()] : undefined
    const replaced = setting !== undefined && ts.isPropertyAssignment(node) ? node.initializer : filterOf(node)
    const becomes = setting ?? '(() => true)'
    if (replaced !== undefined && replaced.getText() !== setting)
      add(replaced.getStart(), replaced.getEnd(), becomes, (id, code) => `(${inForce(id)} ? ${becomes} : (${code}))`)
  }
  const guarded = new Set<ts.Node>()
  const visit = (node: ts.Node): void => {
    if (ts.isIfStatement(node) && refuses(node.thenStatement)) {
      markThrows(node.thenStatement, guarded)
      for (const operand of alternatives(node.expression))
        add(operand.getStart(), operand.getEnd(), 'false', (id, code) => `(!${inForce(id)} && (${code}))`)
    } else if (isThrow(node) && !guarded.has(node))
      add(node.getStart(), node.getEnd(), 'nothing', (id, code) => `if (!${inForce(id)}) ${code}`)
    else if (isRequirement(node))
      add(node.getStart(), node.getEnd(), 'nothing', (id, code) => `{ if (!${inForce(id)}) ${code} }`)
    replaceByValue(node)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return { text: applied(source, edits), mutants, stale }
}

function markThrows(statement: ts.Statement, guarded: Set<ts.Node>): void {
  if (ts.isBlock(statement)) for (const one of statement.statements) markThrows(one, guarded)
  else guarded.add(statement)
}

/** From the end to the beginning, so that the places stay what they are; no two of them overlap. */
function applied(source: string, edits: readonly Edit[]): string {
  let text = source
  for (const { start, end, text: by } of edits.toSorted((one, other) => other.start - one.start))
    text = text.slice(0, start) + by + text.slice(end)
  return text
}
