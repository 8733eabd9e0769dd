// A collector for OTLP over HTTP in JSON: keeps what arrives, or misbehaves as told.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Collector {
  readonly url: string;
  /** Bodies by path, in the order of their arrival. */
  readonly received: {
    readonly path: string;
    readonly headers: IncomingMessage['headers'];
    readonly body: string;
  }[];
  close(): Promise<void>;
}

/** 'hang' takes a request and never answers. */
export async function collector(behaviour: 'accept' | 'hang' | number = 'accept'): Promise<Collector> {
  const received: Collector['received'] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    received.push({ path: request.url ?? '', headers: request.headers, body });
    if (behaviour === 'hang') return;
    response.writeHead(behaviour === 'accept' ? 200 : behaviour, { 'content-type': 'application/json' });
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** A port where nothing listens. */
export async function freePort(): Promise<number> {
  const { url, close } = await collector();
  await close();
  return Number(new URL(url).port);
}
