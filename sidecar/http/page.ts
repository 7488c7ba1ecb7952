/**
 * Serves the web page: the same bundle that the editor shows in its cluster panel.
 *
 * MUST: serve exactly three files, by name, never by a path from the request; forbid by its policy everything that the page
 * does not need (no inline code or style, no other host). The page carries no data: what it shows it asks for with a token.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { carriedFile } from '../../shared/carried-files.ts';
import { refusal } from '../../shared/codes.ts';
import { HttpRefusal, sendBytes } from './answers.ts';
import type { Handler } from './handlers.ts';

const PAGE_POLICY = [
  "default-src 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "require-trusted-types-for 'script'",
  'trusted-types lit-html',
].join('; ');

const FILES = {
  'index.html': 'text/html; charset=utf-8',
  'panel.js': 'text/javascript; charset=utf-8',
  'panel.css': 'text/css; charset=utf-8',
} as const;
type FileName = keyof typeof FILES;
type Files = Readonly<Record<FileName, Uint8Array>>;

let files: Promise<Files> | undefined;

/** The three files, read at the first request and then kept; a build that is not there yet is looked for again. */
function load(): Promise<Files> {
  files ??= readFiles().catch((error: unknown) => {
    files = undefined;
    throw error;
  });
  return files;
}

/** Where the built page may be: named by the environment, or beside the bundle that this code is part of. */
function places(): URL[] {
  const named = process.env['OUTRIGGER_WEBVIEW'];
  if (named) return [pathToFileURL(join(named, '/'))];
  return ['../webview/', './webview/'].map((place) => new URL(place, import.meta.url));
}

/** Those inside the single executable. */
function carried(): Files | undefined {
  const [html, script, style] = ['index.html', 'panel.js', 'panel.css'].map((name) =>
    carriedFile(`dist/webview/${name}`),
  );
  if (html === undefined || script === undefined || style === undefined) return undefined;
  return { 'index.html': html, 'panel.js': script, 'panel.css': style };
}

async function readFiles(): Promise<Files> {
  const inside = carried();
  if (inside !== undefined) return inside;
  for (const place of places()) {
    const read = (name: FileName) => readFile(new URL(name, place));
    try {
      const [html, script, style] = await Promise.all([
        read('index.html'),
        read('panel.js'),
        read('panel.css'),
      ]);
      return { 'index.html': html, 'panel.js': script, 'panel.css': style };
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
  const message = 'the web page is not part of this build; `npm run build` makes it (dist/webview)';
  throw new HttpRefusal(refusal('UNSUPPORTED', message), 503);
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

function serve(name: FileName): Handler {
  return async (_request, response) => {
    const found = await load();
    response.setHeader('Content-Security-Policy', PAGE_POLICY);
    sendBytes(response, 200, FILES[name], found[name]);
  };
}

/** GET / */
export const page = serve('index.html');
/** GET /page/panel.js */
export const pageScript = serve('panel.js');
/** GET /page/panel.css */
export const pageStyle = serve('panel.css');
