/** Stands in for the agent in the tests of spawnAgent. */
const [what, ...rest] = process.argv.slice(2)
if (what === 'arguments') process.stdout.write(`${JSON.stringify([what, ...rest])}\n`)
if (what === 'exit') {
  process.stdout.write(`${process.env['GREETING'] ?? ''} from the environment\n`)
  process.stderr.write('about to exit\n')
  process.exitCode = Number(rest[0])
}
if (what === 'wait') {
  process.on('SIGHUP', () => process.stdout.write('hung up\n'))
  process.stdout.write('waiting\n')
  // An open handle, so that it lives until it is killed.
  setInterval(() => undefined, 1 << 30)
}
