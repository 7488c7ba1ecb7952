/**
 * `outrigger.json` on a language server connection: features of open documents, and the clusters that files on disk name.
 *
 * MUST: answer nothing for other documents; contact nothing (whoever attaches does). Trust is held by `WorkspaceFiles` and
 * `Decoders`, which ask TrustedFolder; features of open documents need none.
 */
import {
  type ClientCapabilities,
  CodeActionKind,
  type CodeLens,
  type CodeLensParams,
  CodeLensRefreshRequest,
  type Connection,
  DocumentDiagnosticReportKind,
  type Hover,
  type HoverParams,
  type InlayHint,
  type InlayHintParams,
  type ServerCapabilities,
  TextDocumentSyncKind,
  TextDocuments,
} from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { Disposable, Inspected } from '../contract.ts';
import type { ClusterDecoder, Decoders } from '../decode/decoders.ts';
import { ConfigFeatures, isConfigUri } from './features.ts';
import { CONFIG_LIMITS } from './limits.ts';
import { type ConfiguredCluster, type FileReport, WorkspaceFiles } from './workspace.ts';

export interface ConfigOptions {
  /** What the client said in `initialize`. */
  readonly client: ClientCapabilities;
  /** Folders whose files count, as paths, and whether they may be read. */
  readonly workspaceFolders: readonly string[];
  readonly trusted: boolean;
  /** The editor has the JSON schema (VS Code with our extension): what it says itself is not said twice. */
  readonly editorChecksSchema?: boolean;
  /** Open documents, when somebody listens for them on this connection already. */
  readonly documents?: TextDocuments<TextDocument>;
  /** Gets the decoders that the files name. */
  readonly decoders?: Decoders;
  /** The clusters that files on disk name are others than before. */
  readonly onClusters?: (clusters: readonly ConfiguredCluster[]) => void;
  /**
   * True when others answer hovers, code lenses and inlay hints on this connection too (it takes one handler of each):
   * nothing is registered for these, and whoever does asks `requests` (documents/register.ts takes them as `elsewhere`).
   */
  readonly sharedRequests?: boolean;
}

/** Answers about our documents; nothing for others. */
export interface ConfigRequests {
  hover(params: HoverParams): Promise<Hover | null>;
  lenses(params: CodeLensParams): Promise<CodeLens[]>;
  hints(params: InlayHintParams): Promise<InlayHint[]>;
}

export interface Config extends Disposable {
  /** To be merged into the answer to `initialize`. */
  readonly capabilities: ServerCapabilities;
  readonly requests: ConfigRequests;
  readonly documents: TextDocuments<TextDocument>;
  /** What files on disk name; empty unless trusted. */
  clusters(): readonly ConfiguredCluster[];
  /** For the doctor page: which files were found, and why one is not used. */
  reports(): readonly FileReport[];
  /** Trust was granted or lost, or folders changed. Resolves when the files were read. */
  setWorkspace(workspaceFolders: readonly string[], trusted: boolean): Promise<void>;
  /** Resolves when the files of the start were read. */
  readonly ready: Promise<void>;
}

const CAPABILITIES: ServerCapabilities = {
  textDocumentSync: { openClose: true, change: TextDocumentSyncKind.Incremental, save: true },
  codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix] },
  codeLensProvider: {},
  hoverProvider: true,
  inlayHintProvider: true,
};

export function registerConfig(connection: Connection, inspected: Inspected, options: ConfigOptions): Config {
  let { trusted } = options;
  const { client, decoders } = options;
  const documents = options.documents ?? new TextDocuments(TextDocument);
  const files = new WorkspaceFiles(() => {
    decoders?.configure(files.clusters().flatMap(decoderOf), trusted);
    options.onClusters?.(files.clusters());
  });
  const features = new ConfigFeatures(inspected, {
    editorChecksSchema: options.editorChecksSchema ?? false,
    trusted: () => trusted,
  });
  const setWorkspace = (folders: readonly string[], nowTrusted: boolean): Promise<void> => {
    if (trusted !== nowTrusted) refresh();
    trusted = nowTrusted;
    return files.setWorkspace(folders, trusted);
  };
  const requests = requestsOf(documents, features);
  const refresh = refresher(connection, client, documents);
  const pulls = client.textDocument?.diagnostic !== undefined;
  const held: Disposable[] = [
    inspected.onChange(({ what }) => {
      if (what === 'VIEW') refresh();
    }),
    connection.onDidChangeWatchedFiles(({ changes }) => {
      if (changes.some(({ uri }) => isConfigUri(uri))) logged(connection, files.reload());
      if (changes.some(({ uri }) => uri.endsWith('.proto'))) decoders?.reload();
    }),
    documents.onDidSave(({ document }) => {
      if (isConfigUri(document.uri)) logged(connection, files.reload());
    }),
    ...(pulls
      ? pullDiagnostics(connection, documents, features)
      : pushDiagnostics(connection, documents, features)),
    ...(options.documents === undefined ? [documents.listen(connection)] : []),
    answerActions(connection, documents, features),
    ...(options.sharedRequests === true ? [] : answerRequests(connection, requests)),
    { dispose: refresh.dispose },
  ];
  const diagnosticProvider = {
    identifier: 'outrigger-config',
    interFileDependencies: false,
    workspaceDiagnostics: false,
  };
  const ready = setWorkspace(options.workspaceFolders, trusted);
  logged(connection, ready);
  return {
    capabilities: pulls ? { ...CAPABILITIES, diagnosticProvider } : CAPABILITIES,
    requests,
    documents,
    clusters: () => files.clusters(),
    reports: () => files.reports(),
    setWorkspace,
    ready,
    dispose: () => {
      for (const each of held) each.dispose();
    },
  };
}

function decoderOf({ cluster, folder, decoder }: ConfiguredCluster): ClusterDecoder[] {
  return decoder === undefined ? [] : [{ cluster, folder, decoder }];
}

/** The open document when it is one of ours. */
function ours(documents: TextDocuments<TextDocument>, uri: string): TextDocument | undefined {
  return isConfigUri(uri) ? documents.get(uri) : undefined;
}

function requestsOf(documents: TextDocuments<TextDocument>, features: ConfigFeatures): ConfigRequests {
  const open = ({ textDocument }: { textDocument: { uri: string } }) => ours(documents, textDocument.uri);
  return {
    async hover(params) {
      const document = open(params);
      return document === undefined ? null : features.hover(document, params.position);
    },
    async lenses(params) {
      const document = open(params);
      return document === undefined ? [] : features.codeLenses(document);
    },
    async hints(params) {
      const document = open(params);
      return document === undefined ? [] : features.inlayHints(document, params.range);
    },
  };
}

function answerActions(
  connection: Connection,
  documents: TextDocuments<TextDocument>,
  features: ConfigFeatures,
): Disposable {
  return connection.onCodeAction(({ textDocument, range }) => {
    const document = ours(documents, textDocument.uri);
    return document === undefined ? [] : features.codeActions(document, range);
  });
}

function answerRequests(connection: Connection, { hover, lenses, hints }: ConfigRequests): Disposable[] {
  return [connection.onHover(hover), connection.onCodeLens(lenses), connection.languages.inlayHint.on(hints)];
}

function pullDiagnostics(
  connection: Connection,
  documents: TextDocuments<TextDocument>,
  features: ConfigFeatures,
): Disposable[] {
  return [
    connection.languages.diagnostics.on(({ textDocument }) => {
      const document = ours(documents, textDocument.uri);
      const items = document === undefined ? [] : features.diagnostics(document);
      return { kind: DocumentDiagnosticReportKind.Full, items };
    }),
  ];
}

/** For editors that do not ask. */
function pushDiagnostics(
  connection: Connection,
  documents: TextDocuments<TextDocument>,
  features: ConfigFeatures,
): Disposable[] {
  const send = (document: TextDocument, open: boolean): void => {
    if (!isConfigUri(document.uri)) return;
    const { uri, version } = document;
    const diagnostics = open ? features.diagnostics(document) : [];
    logged(connection, connection.sendDiagnostics({ uri, ...(open ? { version } : {}), diagnostics }));
  };
  return [
    documents.onDidChangeContent(({ document }) => send(document, true)),
    documents.onDidClose(({ document }) => send(document, false)),
  ];
}

/** Asks the editor to draw live state again: at most once in `refreshMs`, and only while one of our documents is open. */
function refresher(
  connection: Connection,
  { workspace }: ClientCapabilities,
  documents: TextDocuments<TextDocument>,
): (() => void) & Disposable {
  let timer: NodeJS.Timeout | undefined;
  const now = (): void => {
    timer = undefined;
    if (!documents.keys().some(isConfigUri)) return;
    if (workspace?.inlayHint?.refreshSupport === true) {
      logged(connection, connection.languages.inlayHint.refresh());
    }
    if (workspace?.codeLens?.refreshSupport === true) {
      logged(connection, connection.sendRequest(CodeLensRefreshRequest.type));
    }
  };
  const refresh = (): void => {
    timer ??= setTimeout(now, CONFIG_LIMITS.refreshMs);
  };
  return Object.assign(refresh, { dispose: () => clearTimeout(timer) });
}

function logged(connection: Connection, work: Promise<unknown>): void {
  work.catch((error: unknown) => connection.console.warn(`outrigger.json: ${String(error)}`));
}
