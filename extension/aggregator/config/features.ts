/**
 * The language features of an open `outrigger.json`: diagnostics, quick fixes, hints, lenses and hovers.
 *
 * MUST: only look at the document and at what is known already; it contacts nothing and reads no file, so it is safe in a
 * workspace that is not trusted. There it offers no attach.
 */
import { modify } from 'jsonc-parser';
import {
  type CodeAction,
  CodeActionKind,
  type CodeLens,
  type Diagnostic,
  DiagnosticSeverity,
  type Hover,
  type InlayHint,
  MarkupKind,
  type Position,
  type Range,
} from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import { NAME_PATTERN } from '../../../shared/endpoint-files.ts';
import type { Inspected } from '../contract.ts';
import { check, type Finding, type Fix } from './checks.ts';
import { clusterTitle, nodeHint, nodeHover } from './live.ts';
import { outlineOf, type Span } from './outline.ts';

/** Shown beside each message. */
const SOURCE = 'outrigger';

/** True for documents named `outrigger.json` in a file system of any kind. */
export function isConfigUri(uri: string): boolean {
  return !uri.startsWith('raft-log:') && /(^|\/)outrigger\.json$/.test(uri.replace(/[?#].*$/, ''));
}

export interface FeatureOptions {
  /** The editor knows the JSON schema and says itself what breaks it. */
  readonly editorChecksSchema: boolean;
  /** May a cluster be attached from here? */
  trusted(): boolean;
}

export class ConfigFeatures {
  readonly #inspected: Pick<Inspected, 'cluster'>;
  readonly #options: FeatureOptions;

  constructor(inspected: Pick<Inspected, 'cluster'>, options: FeatureOptions) {
    this.#inspected = inspected;
    this.#options = options;
  }

  diagnostics(document: TextDocument): Diagnostic[] {
    const { editorChecksSchema } = this.#options;
    return findings(document)
      .filter(({ bySchema }) => !(bySchema && editorChecksSchema))
      .map((finding) => toDiagnostic(document, finding));
  }

  /** Remedies for what is wrong within `range`. */
  codeActions(document: TextDocument, range: Range): CodeAction[] {
    const from = document.offsetAt(range.start);
    const to = document.offsetAt(range.end);
    return findings(document)
      .filter(({ span }) => span.offset <= to && from <= span.offset + span.length)
      .flatMap((finding) => (finding.fix === undefined ? [] : [toAction(document, finding, finding.fix)]));
  }

  /** The live state behind each node's id, where its cluster is attached. */
  inlayHints(document: TextDocument, range: Range): InlayHint[] {
    const from = document.offsetAt(range.start);
    const to = document.offsetAt(range.end);
    return outlineOf(document.getText()).clusters.flatMap(({ name, nodes }) => {
      const view = name === undefined ? undefined : this.#inspected.cluster(name.value);
      if (view === undefined) return [];
      return nodes.flatMap(({ id }): InlayHint[] => {
        if (id === undefined || id.span.offset > to || id.span.offset + id.span.length < from) return [];
        const position = document.positionAt(id.span.offset + id.span.length);
        return [{ position, label: nodeHint(view, id.value), paddingLeft: true }];
      });
    });
  }

  /** Attach, or what the attached cluster is at and detach, above each cluster. */
  codeLenses(document: TextDocument): CodeLens[] {
    return outlineOf(document.getText()).clusters.flatMap(({ name, span }) => {
      if (name === undefined || !NAME_PATTERN.test(name.value)) return [];
      const range = rangeOf(document, { offset: span.offset, length: 1 });
      const view = this.#inspected.cluster(name.value);
      const lens = (title: string, command: string): CodeLens => ({
        range,
        command: { title, command, arguments: [{ cluster: name.value }] },
      });
      if (view === undefined) return this.#options.trusted() ? [lens('Attach', 'outrigger.attach')] : [];
      return [lens(clusterTitle(view), 'outrigger.openPanel'), lens('Detach', 'outrigger.detach')];
    });
  }

  /** The state of the node whose id is at `position`. */
  hover(document: TextDocument, position: Position): Hover | null {
    const at = document.offsetAt(position);
    for (const { name, nodes } of outlineOf(document.getText()).clusters) {
      const id = nodes.find(({ id }) => id !== undefined && holds(id.span, at))?.id;
      if (id === undefined || name === undefined) continue;
      const value = nodeHover(this.#inspected.cluster(name.value), id.value);
      return { contents: { kind: MarkupKind.Markdown, value }, range: rangeOf(document, id.span) };
    }
    return null;
  }
}

function findings(document: TextDocument): readonly Finding[] {
  return check(outlineOf(document.getText()));
}

function holds({ offset, length }: Span, at: number): boolean {
  return offset <= at && at <= offset + length;
}

function rangeOf(document: TextDocument, { offset, length }: Span): Range {
  return { start: document.positionAt(offset), end: document.positionAt(offset + length) };
}

function toDiagnostic(document: TextDocument, finding: Finding): Diagnostic {
  const { other } = finding;
  return {
    range: rangeOf(document, finding.span),
    severity: finding.severity === 'ERROR' ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning,
    code: finding.code,
    source: SOURCE,
    message: finding.message,
    ...(other === undefined
      ? {}
      : {
          relatedInformation: [
            {
              location: { uri: document.uri, range: rangeOf(document, other.span) },
              message: 'It is first here.',
            },
          ],
        }),
  };
}

function toAction(document: TextDocument, finding: Finding, fix: Fix): CodeAction {
  const formattingOptions = { insertSpaces: true, tabSize: 2 };
  const edits = modify(document.getText(), fix.path, fix.value, { formattingOptions });
  return {
    title: fix.title,
    kind: CodeActionKind.QuickFix,
    diagnostics: [toDiagnostic(document, finding)],
    edit: {
      changes: {
        [document.uri]: edits.map(({ offset, length, content }) => ({
          range: rangeOf(document, { offset, length }),
          newText: content,
        })),
      },
    },
  };
}
