// A Hugging Face hub in miniature: what downloads ask of it, a second origin for LFS content, and faults on demand.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface HubRepository {
  readonly commit: string;
  /** By path. Names ending in .safetensors are stored the LFS way: SHA-256, served by the second origin. */
  readonly files: Readonly<Record<string, Buffer>>;
}

/** All off at first; a test sets what it needs, and may change it between downloads. */
export interface HubFaults {
  /** Close the connection after this many bytes of an answer with this file, this many times. */
  cut?: { readonly file: string; readonly afterBytes: number; times: number } | undefined;
  /** Answer with a status instead of content, this many times. `on` is a part of the URL's path. */
  refuse?:
    | { readonly status: number; readonly on: string; times: number; readonly retryAfter?: string }
    | undefined;
  /** Serve this file with one byte changed. */
  corrupt?: string | undefined;
  /** Serve this file with bytes after its end. */
  overlong?: string | undefined;
  /** Send files in small pieces with this pause between them. */
  pieceDelayMs?: number | undefined;
  /** Send this many bytes of an answer with this file and then nothing more, leaving the connection open. */
  stall?: { readonly file: string; readonly afterBytes: number; times: number } | undefined;
  ignoreRanges?: boolean | undefined;
  /** Ask for this token on every request to the hub. */
  requiredToken?: string | undefined;
  /** Take API requests and never answer. */
  unanswered?: boolean | undefined;
  /** Answer every API request with a web page. */
  signInPage?: boolean | undefined;
}

export interface HubRequest {
  readonly origin: 'hub' | 'storage';
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

const PIECE_BYTES = 4096;

export class HubServer {
  readonly repositories = new Map<string, HubRepository>();
  readonly requests: HubRequest[] = [];
  faults: HubFaults = {};
  readonly #hub: Server;
  readonly #storage: Server;

  private constructor() {
    this.#hub = createServer((request, response) => this.#serve('hub', request, response));
    this.#storage = createServer((request, response) => this.#serve('storage', request, response));
  }

  static async start(): Promise<HubServer> {
    const server = new HubServer();
    for (const origin of [server.#hub, server.#storage]) {
      await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
    }
    return server;
  }

  get endpoint(): string {
    return address(this.#hub);
  }

  /** Paths of the requests so far that fetched file content, from either origin. */
  get contentRequests(): readonly HubRequest[] {
    return this.requests.filter(({ path }) => path.includes('/resolve/') || path.startsWith('/content/'));
  }

  async close(): Promise<void> {
    for (const origin of [this.#hub, this.#storage]) {
      origin.closeAllConnections();
      await new Promise((resolve) => origin.close(resolve));
    }
  }

  async #serve(
    origin: HubRequest['origin'],
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const path = decodeURIComponent(new URL(request.url ?? '/', address(this.#hub)).pathname);
    const { range, authorization } = request.headers;
    this.requests.push({ origin, method: request.method ?? '', path, range, authorization });
    const { refuse, requiredToken } = this.faults;
    if (refuse !== undefined && refuse.times > 0 && path.includes(refuse.on)) {
      refuse.times--;
      const retryAfter = refuse.retryAfter === undefined ? {} : { 'Retry-After': refuse.retryAfter };
      response.writeHead(refuse.status, retryAfter).end();
    } else if (origin === 'storage') {
      await this.#sendContent(path.slice('/content/'.length), range, response);
    } else if (requiredToken !== undefined && authorization !== `Bearer ${requiredToken}`) {
      fail(response, 401, authorization === undefined ? 'GatedRepo' : 'RepoNotFound');
    } else if (path.startsWith('/api/')) {
      await this.#serveApi(path, request, response);
    } else {
      await this.#serveFile(path, range, response);
    }
  }

  async #serveApi(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.faults.unanswered) return;
    if (this.faults.signInPage) {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>Please sign in</html>');
      return;
    }
    const [, id, endpoint, revision] = /^\/api\/models\/(.+?)\/(revision|paths-info)\/(.+)$/.exec(path) ?? [];
    const repository = this.repositories.get(id ?? '');
    if (repository === undefined) return fail(response, 404, 'RepoNotFound');
    if (revision !== 'main' && revision !== 'v/1' && revision !== repository.commit) {
      return fail(response, 404, 'RevisionNotFound');
    }
    if (endpoint === 'revision') {
      return json(response, { _id: '0', id, sha: repository.commit, private: false, lastModified: 0 });
    }
    const { paths } = JSON.parse(await bodyOf(request)) as { paths: readonly string[] };
    json(
      response,
      paths.filter((name) => name in repository.files).map((name) => pathInfo(name, repository.files[name]!)),
    );
  }

  async #serveFile(path: string, range: string | undefined, response: ServerResponse): Promise<void> {
    const [, id, commit, name] = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? [];
    const repository = this.repositories.get(id ?? '');
    const content = repository?.files[name ?? ''];
    if (repository === undefined || content === undefined) return fail(response, 404, 'EntryNotFound');
    if (commit !== repository.commit) return fail(response, 404, 'RevisionNotFound');
    response.setHeader('X-Repo-Commit', repository.commit);
    if (!isLfs(name!)) {
      response.setHeader('ETag', `"${gitHash(content)}"`);
      return this.#sendContent(`${id}/${name}`, range, response);
    }
    response.setHeader('X-Linked-ETag', `"${sha256(content)}"`);
    response.setHeader('X-Linked-Size', content.length);
    response
      .writeHead(302, { Location: `${address(this.#storage)}/content/${id}/${name}?signature=1` })
      .end();
  }

  async #sendContent(place: string, range: string | undefined, response: ServerResponse): Promise<void> {
    const name = place.split('/').at(-1)!;
    const content = this.#faulty(name, this.repositories.get(place.slice(0, -name.length - 1))!.files[name]!);
    const start = this.faults.ignoreRanges ? 0 : Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    if (start > 0)
      response.setHeader('Content-Range', `bytes ${start}-${content.length - 1}/${content.length}`);
    if (!this.faults.ignoreRanges) response.setHeader('Accept-Ranges', 'bytes');
    response.setHeader('Content-Length', content.length - start);
    response.statusCode = start > 0 ? 206 : 200;

    const { cut, stall, pieceDelayMs } = this.faults;
    const fault = [cut, stall].find((candidate) => candidate?.file === name && candidate.times > 0);
    if (fault !== undefined) fault.times--;
    const end = Math.min(content.length, fault === undefined ? content.length : start + fault.afterBytes);
    const pieceBytes = pieceDelayMs === undefined ? content.length : PIECE_BYTES;
    response.flushHeaders();
    for (let position = start; position < end && !response.destroyed; position += pieceBytes) {
      const piece = content.subarray(position, Math.min(position + pieceBytes, end));
      await new Promise((resolve) => response.write(piece, resolve));
      if (pieceDelayMs !== undefined) await sleep(pieceDelayMs);
    }
    if (fault === undefined) response.end();
    if (fault !== undefined && fault === cut) {
      await sleep(30); // a client loses what it has not read yet
      response.destroy();
    }
  }

  #faulty(name: string, content: Buffer): Buffer {
    if (this.faults.overlong === name) return Buffer.concat([content, Buffer.from('more')]);
    if (this.faults.corrupt !== name) return content;
    const changed = Buffer.from(content);
    changed[content.length >> 1]! ^= 1;
    return changed;
  }
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

export function gitHash(content: Buffer): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

function isLfs(name: string): boolean {
  return name.endsWith('.safetensors');
}

function pathInfo(path: string, content: Buffer): object {
  if (!isLfs(path)) return { type: 'file', path, size: content.length, oid: gitHash(content) };
  const pointer = Buffer.from(`oid sha256:${sha256(content)}\nsize ${content.length}\n`);
  const lfs = { oid: sha256(content), size: content.length, pointerSize: pointer.length };
  return { type: 'file', path, size: content.length, oid: gitHash(pointer), lfs };
}

function address(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

function fail(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'X-Error-Code': code, 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ error: code }));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
