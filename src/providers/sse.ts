// Server-sent events, as far as completions use them: the data of each event. The format is the WHATWG HTML standard's
// "event stream"; names, ids and retry times of events are read over.

/** Yields the data of every event that arrived whole. The caller bounds how many bytes come. */
export async function* eventData(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  let data: string[] = [];
  for await (const line of lines(bytes)) {
    if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
    else if (line === '' && data.length > 0) {
      yield data.join('\n');
      data = [];
    }
  }
}

/** Lines end with LF, CR or CRLF. What follows the last line end is not a line yet. */
async function* lines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of bytes) {
    const text = decoder.decode(piece, { stream: true });
    rest += text;
    if (!/[\r\n]/.test(text)) continue; // a long line in many pieces is looked through once, not once per piece
    const held = rest.endsWith('\r') ? '\r' : ''; // the other half of a CRLF may be on its way
    const found = rest.slice(0, rest.length - held.length).split(/\r\n|\r|\n/);
    rest = found.pop() + held;
    yield* found;
  }
  if (rest.endsWith('\r')) yield rest.slice(0, -1); // the other half never came
}
