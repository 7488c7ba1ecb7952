/**
 * What works on top of the clusters: the log as documents, `outrigger.json`, payload decoders.
 *
 * MUST: be the one place where they meet, since a connection has one handler for each request.
 */
import type { ClientCapabilities, Connection, ServerCapabilities } from 'vscode-languageserver';
import type { AggregatorOptions, ToAggregator } from '../protocol.ts';
import type { Clusters } from './clusters/clusters.ts';
import { registerConfig } from './config/register.ts';
import { Decoders } from './decode/decoders.ts';
import { doctorPage } from './doctor.ts';
import { registerDocuments } from './documents/register.ts';
import type { DecodeFull } from './entry.ts';

export interface PluginParts {
  readonly connection: Connection;
  readonly clusters: Clusters;
  readonly options: AggregatorOptions;
  /** The client is our own editor extension, which has the JSON schema of `outrigger.json` too. */
  readonly own: boolean;
  readonly client: ClientCapabilities;
  /** Wall clock, ms. */
  readonly now: () => number;
}

export interface Plugins {
  readonly capabilities: ServerCapabilities;
  readonly decode: DecodeFull;
  readonly doctor: () => string;
  /** Resolves when the files were read. */
  setWorkspace(workspace: ToAggregator['raft/workspace']): Promise<void>;
  dispose(): void;
}

export function plugIn({ connection, clusters, options, own, client, now }: PluginParts): Plugins {
  const decoders = new Decoders();
  const config = registerConfig(connection, clusters, {
    client,
    workspaceFolders: options.workspaceFolders,
    trusted: options.trusted,
    editorChecksSchema: own,
    decoders,
    onClusters: (configured) => clusters.setWorkspaceClusters(configured),
    // Hovers, lenses and hints come to the documents first, which pass on what is not theirs.
    sharedRequests: true,
  });
  const doctor = () => doctorPage(clusters, config.reports(), now());
  const elsewhere = config.requests;
  const documents = registerDocuments(connection, clusters, { decoders, doctor, elsewhere, commands: own });
  documents.clientHas(client);
  return {
    capabilities: { ...config.capabilities, ...documents.capabilities },
    decode: (cluster, payload) => decoders.full(cluster, payload),
    doctor,
    setWorkspace: ({ workspaceFolders, trusted }) => config.setWorkspace(workspaceFolders, trusted),
    dispose() {
      documents.dispose();
      config.dispose();
      decoders.dispose();
    },
  };
}
