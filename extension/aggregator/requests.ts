/**
 * Answers the editor's requests (extension/protocol.ts).
 *
 * MUST: take checked parameters only; reject with InspectError, one sentence for a person. MUST NOT: know the connection.
 */
import { diffLogs } from '../../shared/log-diff.ts';
import type { Requests } from '../protocol.ts';
import { endFaults, plantFault, propose, transfer } from './clusters/acts.ts';
import type { Clusters } from './clusters/clusters.ts';
import { InspectError } from './contract.ts';
import { diffUris, logUri } from './documents/uris.ts';
import { type DecodeFull, entryDetails } from './entry.ts';
import type { News } from './news.ts';
import type { Panels } from './panels.ts';

export interface RequestParts {
  readonly clusters: Clusters;
  readonly news: News;
  readonly panels: Panels;
  readonly decode: DecodeFull;
  /** The doctor's page, as markdown. */
  readonly doctor: () => string;
}

export type Handlers = {
  readonly [M in keyof Requests]: (
    params: Requests[M]['params'],
  ) => Requests[M]['result'] | Promise<Requests[M]['result']>;
};

export function requestHandlers({ clusters, news, panels, decode, doctor }: RequestParts): Handlers {
  return {
    'raft/discover': () => clusters.discover(),
    'raft/attach': async ({ cluster, address, token }) => {
      if (cluster === '' && address === '') throw new InspectError('name a cluster or give an address');
      return { cluster: await clusters.attach(cluster, address, token) };
    },
    'raft/detach': ({ cluster }) => {
      clusters.detach(cluster);
      return null;
    },
    'raft/clusters': () => news.current(),
    'raft/events': ({ cluster, limit }) => {
      const { events, forgotten } = clusters.events(cluster);
      const newest = events.slice(Math.max(0, events.length - limit));
      return { events: newest, forgotten: forgotten + events.length - newest.length };
    },
    'raft/explain': ({ cluster, about, id }) => clusters.explain(cluster, about, id),
    'raft/diff': async ({ cluster, left, right }) => {
      const [a, b] = await Promise.all([termsOf(clusters, cluster, left), termsOf(clusters, cluster, right)]);
      const diff = diffLogs(a.terms, b.terms);
      return { diff, ...diffUris(cluster, a, b, diff) };
    },
    'raft/logUri': ({ cluster, node, index }) => {
      if (!clusters.watched(cluster).nodes().includes(node)) {
        throw new InspectError(`the cluster ${cluster} has no node ${node}`);
      }
      return { uri: logUri(cluster, node, index) };
    },
    'raft/entry': (asked) => entryDetails(clusters, decode, asked),
    'raft/propose': ({ cluster, node, text }) => propose(clusters.watched(cluster), node, text),
    'raft/transfer': ({ cluster, to }) => transfer(clusters.watched(cluster), to),
    'raft/plantFault': ({ cluster, node, fault }) => plantFault(clusters.watched(cluster), node, fault),
    'raft/endFaults': ({ cluster, node }) => endFaults(clusters.watched(cluster), node),
    'raft/doctor': () => ({ markdown: doctor() }),
    'raft/panelOpen': ({ panel, cluster }) => {
      panels.open(panel, cluster);
      return null;
    },
    'raft/panelClose': ({ panel }) => {
      panels.close(panel);
      return null;
    },
  };
}

/** The node's own account now; rejects where it does not answer, since a difference must not be guessed. */
async function termsOf(clusters: Clusters, cluster: string, node: string) {
  return { node, terms: await clusters.freshTerms(cluster, node) };
}
