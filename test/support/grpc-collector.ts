// A collector for OTLP over gRPC: takes every call, keeps its bytes, and answers with an empty message. gRPC is HTTP/2 with
// a path per method and a status in the trailers.
import { createServer, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';

export interface GrpcCollector {
  readonly url: string;
  readonly received: {
    /** Of the method, such as `/opentelemetry.proto.collector.trace.v1.TraceService/Export`. */
    readonly path: string;
    readonly headers: IncomingHttpHeaders;
    /** Protocol buffers, in which texts stand as they are. */
    readonly body: string;
  }[];
  close(): Promise<void>;
}

/** No compression, and a length of 0. */
const EMPTY_MESSAGE = Buffer.alloc(5);

export async function grpcCollector(): Promise<GrpcCollector> {
  const received: GrpcCollector['received'] = [];
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => void sessions.add(session));
  server.on('stream', async (stream, headers) => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    received.push({ path: headers[':path'] ?? '', headers, body: Buffer.concat(chunks).toString('latin1') });
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(EMPTY_MESSAGE);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    close: () => {
      for (const session of sessions) session.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
