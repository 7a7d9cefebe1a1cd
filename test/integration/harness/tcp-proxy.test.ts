import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { TcpProxy } from '../../harness/tcp-proxy.ts'

describe('TcpProxy', () => {
  let echo: Server
  let proxy: TcpProxy
  const clients: Socket[] = []

  beforeEach(async () => {
    echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(0, '127.0.0.1')
    await once(echo, 'listening')
    proxy = await TcpProxy.start(`127.0.0.1:${(echo.address() as AddressInfo).port}`)
  })

  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy()
    await proxy.stop()
    await echo[Symbol.asyncDispose]()
  })

  const dial = async (): Promise<Socket> => {
    const client = connect(Number(proxy.endpoint.split(':')[1]), '127.0.0.1')
    clients.push(client)
    await once(client, 'connect')
    return client
  }
  const ask = async (client: Socket, text: string): Promise<string> => {
    client.write(text)
    return String((await once(client, 'data'))[0])
  }

  it('forwards both ways and counts', async () => {
    assert.equal(await ask(await dial(), 'hello'), 'hello')
    assert.equal(await ask(await dial(), 'you'), 'you')
    assert.deepEqual([proxy.connections, proxy.openConnections], [2, 2])
    assert.deepEqual([proxy.bytesToUpstream, proxy.bytesFromUpstream], [8, 8])
  })

  it('passes the end of one side on', async () => {
    const client = await dial()
    assert.equal(await ask(client, 'hello'), 'hello')
    client.end()
    await once(client, 'close')
  })

  it('cuts what is open and accepts what is new', async () => {
    const client = await dial()
    await ask(client, 'hello')
    const ended = once(client, 'end')
    proxy.cut()
    await ended
    assert.equal(await ask(await dial(), 'again'), 'again')
  })

  it('resets until it comes back', async () => {
    const client = await dial()
    await ask(client, 'hello')
    const failed = once(client, 'error')
    proxy.reset()
    assert.equal(((await failed)[0] as NodeJS.ErrnoException).code, 'ECONNRESET')
    await proxy.comeBack()
    assert.equal(await ask(await dial(), 'again'), 'again')
  })

  it('ends its own side alone until it comes back', async () => {
    const client = await dial()
    client.allowHalfOpen = true
    await ask(client, 'hello')
    const ended = once(client, 'end')
    proxy.halfClose()
    await ended
    client.write('to nobody')
    const late = await dial()
    await once(late.resume(), 'end')
    await proxy.comeBack()
    assert.equal(await ask(await dial(), 'again'), 'again')
    assert.equal(proxy.bytesToUpstream, 'hello'.length + 'to nobody'.length + 'again'.length)
  })

  it('refuses until it comes back, on the same port', async () => {
    await proxy.refuse()
    await assert.rejects(dial(), { code: 'ECONNREFUSED' })
    await proxy.comeBack()
    assert.equal(await ask(await dial(), 'again'), 'again')
  })

  it('holds everything back while it stalls', async () => {
    const client = await dial()
    await ask(client, 'hello')
    proxy.stall()
    const late = await dial()
    client.write('held back')
    late.write('this too')
    const before = proxy.bytesToUpstream
    // Another connection's round trip to the same loop: whatever would have come has come by then.
    await once(
      connect((echo.address() as AddressInfo).port, '127.0.0.1')
        .end('x')
        .resume(),
      'close',
    )
    assert.equal(proxy.bytesToUpstream, before)

    const answers = Promise.all([once(client, 'data'), once(late, 'data')])
    await proxy.comeBack()
    assert.deepEqual((await answers).flat().map(String), ['held back', 'this too'])
  })

  it('delays without changing the order', async () => {
    proxy.delay(30)
    const client = await dial()
    const startMs = performance.now()
    client.write('one')
    client.end('two')
    const received: string[] = []
    for await (const chunk of client) received.push(String(chunk))
    assert.equal(received.join(''), 'onetwo')
    assert.ok(performance.now() - startMs >= 59, 'thirty milliseconds there, thirty back')
  })
})
