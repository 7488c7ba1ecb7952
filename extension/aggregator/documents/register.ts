/**
 * The documents on an LSP connection: `workspace/textDocumentContent` for the scheme `raft-log`, and what editors ask of
 * a document besides. Documents of other schemes are passed on, since a connection has one handler for each request.
 *
 * MUST: honour cancellation of every request; answer what cannot be read with text (content) or with nothing (the rest: the
 * text says why already); tell faults of ours to the log and give the editor one sentence.
 */
import {
  type CancellationToken,
  type ClientCapabilities,
  type CodeLens,
  type CodeLensParams,
  type Connection,
  type DefinitionParams,
  type Disposable,
  type DocumentLink,
  type DocumentLinkParams,
  type DocumentSymbol,
  type DocumentSymbolParams,
  ErrorCodes,
  type FoldingRange,
  type FoldingRangeParams,
  type Hover,
  type HoverParams,
  type InlayHint,
  type InlayHintParams,
  type Location,
  LSPErrorCodes,
  ResponseError,
  type SemanticTokens,
  type SemanticTokensParams,
  type SemanticTokensRangeParams,
  type ServerCapabilities,
} from 'vscode-languageserver';
import * as z from 'zod';
import { SCHEME, type ToAggregator } from '../../protocol.ts';
import { InspectError, type Inspected } from '../contract.ts';
import { type Doctor, DocumentFeatures } from './features.ts';
import { type Decoders, PLAIN_DECODERS } from './payload.ts';
import { Debounced, type Schedule, schedule, Tails } from './tails.ts';
import { TOKENS_LEGEND } from './tokens.ts';
import { parseUri } from './uris.ts';

/** Requests about a document, for documents of other schemes. Absent ones are answered with nothing. */
export interface OtherDocuments {
  folding?(params: FoldingRangeParams, signal: AbortSignal): Promise<FoldingRange[]>;
  symbols?(params: DocumentSymbolParams, signal: AbortSignal): Promise<DocumentSymbol[]>;
  tokens?(params: SemanticTokensParams, signal: AbortSignal): Promise<SemanticTokens>;
  tokensInRange?(params: SemanticTokensRangeParams, signal: AbortSignal): Promise<SemanticTokens>;
  hints?(params: InlayHintParams, signal: AbortSignal): Promise<InlayHint[]>;
  hover?(params: HoverParams, signal: AbortSignal): Promise<Hover | null>;
  lenses?(params: CodeLensParams, signal: AbortSignal): Promise<CodeLens[]>;
  links?(params: DocumentLinkParams, signal: AbortSignal): Promise<DocumentLink[]>;
  definition?(params: DefinitionParams, signal: AbortSignal): Promise<Location | null>;
}

export interface DocumentOptions {
  /** Default: UTF-8, else hex. */
  readonly decoders?: Decoders;
  /** The text of `raft-log:/doctor.md`. */
  readonly doctor?: Doctor;
  readonly elsewhere?: OtherDocuments;
  /** The client has the commands of our editor extension: links may name them. Default: no. */
  readonly commands?: boolean;
  /** Tests give their own. */
  readonly schedule?: Schedule;
}

export interface Documents {
  /** To be merged into what `initialize` answers, once `clientHas` was told. */
  readonly capabilities: ServerCapabilities;
  /** What the client said in `initialize`; without it hints and tokens are never refreshed. */
  clientHas(capabilities: ClientCapabilities): void;
  dispose(): void;
}

export const DOCUMENT_CAPABILITIES: ServerCapabilities = {
  workspace: { textDocumentContent: { schemes: [SCHEME] } },
  foldingRangeProvider: true,
  documentSymbolProvider: true,
  semanticTokensProvider: { legend: TOKENS_LEGEND, full: true, range: true },
  inlayHintProvider: true,
  hoverProvider: true,
  codeLensProvider: { resolveProvider: false },
  documentLinkProvider: { resolveProvider: false },
  workspaceSymbolProvider: true,
  definitionProvider: true,
};

/** Tokens of a whole window are half a megabyte of numbers: who can ask for what is on the screen gets that alone. */
function capabilitiesFor({ textDocument }: ClientCapabilities): ServerCapabilities {
  if (!textDocument?.semanticTokens?.requests.range) return DOCUMENT_CAPABILITIES;
  return { ...DOCUMENT_CAPABILITIES, semanticTokensProvider: { legend: TOKENS_LEGEND, range: true } };
}

const followTail = z.strictObject({ uri: z.string().max(400), follow: z.boolean() });

function abortedBy(token: CancellationToken): {
  readonly signal: AbortSignal;
  readonly listening: Disposable;
} {
  const controller = new AbortController();
  if (token.isCancellationRequested) controller.abort();
  return { signal: controller.signal, listening: token.onCancellationRequested(() => controller.abort()) };
}

/** Does the work; what it rejects with becomes what the protocol has for it. `unreadable`: the answer where a node cannot be read. */
async function answer<T>(
  token: CancellationToken,
  unreadable: T,
  onFault: (error: unknown) => void,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, listening } = abortedBy(token);
  try {
    signal.throwIfAborted();
    const value = await work(signal);
    signal.throwIfAborted();
    return value;
  } catch (error) {
    if (signal.aborted) throw new ResponseError(LSPErrorCodes.RequestCancelled, 'The request was cancelled.');
    if (error instanceof InspectError) return unreadable;
    onFault(error);
    throw new ResponseError(ErrorCodes.InternalError, 'A fault of Outrigger: its log tells more.');
  } finally {
    listening.dispose();
  }
}

interface OnDocument {
  readonly textDocument: { readonly uri: string };
}

/** A handler that asks `own` for documents of ours and `other` for the rest. */
function about<P extends OnDocument, T>(
  unreadable: T,
  onFault: (error: unknown) => void,
  own: (params: P, signal: AbortSignal) => Promise<T>,
  other: ((params: P, signal: AbortSignal) => Promise<T>) | undefined,
): (params: P, token: CancellationToken) => Promise<T> {
  return (params, token) =>
    answer(token, unreadable, onFault, async (signal) => {
      if (params.textDocument.uri.startsWith(`${SCHEME}:`)) return own(params, signal);
      return other === undefined ? unreadable : other(params, signal);
    });
}

function registerRequests(
  connection: Connection,
  features: DocumentFeatures,
  other: OtherDocuments,
  onFault: (error: unknown) => void,
): Disposable[] {
  const { languages, workspace } = connection;
  const none: SemanticTokens = { data: [] };
  return [
    workspace.textDocumentContent.on(({ uri }, token) =>
      answer(token, { text: '' }, onFault, async (signal) => ({ text: await features.content(uri, signal) })),
    ),
    connection.onFoldingRanges(
      about(
        [],
        onFault,
        (params, signal) => features.folding(params.textDocument.uri, signal),
        other.folding,
      ),
    ),
    connection.onDocumentSymbol(
      about(
        [],
        onFault,
        (params, signal) => features.symbols(params.textDocument.uri, signal),
        other.symbols,
      ),
    ),
    languages.semanticTokens.on(
      about(
        none,
        onFault,
        ({ textDocument: { uri } }, signal) => features.tokens(uri, undefined, signal),
        other.tokens,
      ),
    ),
    languages.semanticTokens.onRange(
      about(
        none,
        onFault,
        ({ textDocument: { uri }, range }, signal) => features.tokens(uri, range, signal),
        other.tokensInRange,
      ),
    ),
    languages.inlayHint.on(
      about(
        [],
        onFault,
        ({ textDocument: { uri }, range }, signal) => features.hints(uri, range, signal),
        other.hints,
      ),
    ),
    connection.onHover(
      about(
        null,
        onFault,
        ({ textDocument: { uri }, position }, signal) => features.hover(uri, position, signal),
        other.hover,
      ),
    ),
    connection.onCodeLens(
      about([], onFault, (params, signal) => features.lenses(params.textDocument.uri, signal), other.lenses),
    ),
    connection.onDocumentLinks(
      about([], onFault, (params, signal) => features.links(params.textDocument.uri, signal), other.links),
    ),
    connection.onDefinition(
      about(
        null,
        onFault,
        ({ textDocument: { uri }, position }, signal) => features.definition(uri, position, signal),
        other.definition,
      ),
    ),
    connection.onWorkspaceSymbol(({ query }, token) =>
      answer(token, [], onFault, async () => features.search(query)),
    ),
  ];
}

/** Keeps what is open up to date: followed tails, and the hints and colours of what is not settled yet. */
function registerRefreshes(
  connection: Connection,
  inspected: Inspected,
  features: DocumentFeatures,
  later: Schedule,
): { readonly disposables: Disposable[]; clientHas(capabilities: ClientCapabilities): void } {
  const refuse = (what: string) => (error: unknown) =>
    connection.console.warn(
      `The editor did not refresh ${what}: ${error instanceof Error ? error.message : error}`,
    );
  let client: ClientCapabilities = {};
  const tails = new Tails(async (uri) => {
    const name = parseUri(uri);
    if (name.kind !== 'TAIL' || !features.tailMoved(name)) return;
    await connection.workspace.textDocumentContent.refresh(uri).catch(refuse('a live tail'));
  }, later);
  const hints = new Debounced(async () => {
    const { inlayHint, semanticTokens } = client.workspace ?? {};
    if (inlayHint?.refreshSupport) await connection.languages.inlayHint.refresh().catch(refuse('hints'));
    if (semanticTokens?.refreshSupport)
      await connection.languages.semanticTokens.refresh().catch(refuse('colours'));
  }, later);
  const following = connection.onNotification('raft/followTail', (params: unknown) => {
    const checked = followTail.safeParse(params);
    try {
      const told: ToAggregator['raft/followTail'] | undefined = checked.data;
      const name = told === undefined ? undefined : parseUri(told.uri);
      if (told === undefined || name?.kind !== 'TAIL') throw new InspectError('it names no live tail');
      if (told.follow) tails.follow(told.uri, name.cluster, name.node);
      else tails.unfollow(told.uri);
    } catch (error) {
      if (!(error instanceof InspectError)) throw error;
      connection.console.warn(`raft/followTail was passed over: ${error.message}`);
    }
  });
  const watching = inspected.onChange(({ what, cluster, node }) => {
    if (what === 'EVENTS') return;
    tails.changed(cluster, node);
    if (features.takeHintsChanged(cluster)) hints.request();
  });
  return {
    disposables: [following, watching, tails, hints],
    clientHas: (capabilities) => {
      client = capabilities;
    },
  };
}

export function registerDocuments(
  connection: Connection,
  inspected: Inspected,
  options: DocumentOptions = {},
): Documents {
  const onFault = (error: unknown): void =>
    connection.console.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
  const doctor = options.doctor ?? (() => '# Nothing is known of what was tried.\n');
  const decoders = options.decoders ?? PLAIN_DECODERS;
  const features = new DocumentFeatures(inspected, decoders, doctor, onFault, options.commands);
  const requests = registerRequests(connection, features, options.elsewhere ?? {}, onFault);
  const { disposables, clientHas } = registerRefreshes(
    connection,
    inspected,
    features,
    options.schedule ?? schedule,
  );
  let client: ClientCapabilities = {};
  return {
    get capabilities() {
      return capabilitiesFor(client);
    },
    clientHas: (capabilities) => {
      client = capabilities;
      clientHas(capabilities);
    },
    dispose: () => {
      for (const disposable of [...requests, ...disposables]) disposable.dispose();
    },
  };
}
