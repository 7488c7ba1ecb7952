/**
 * The doctor's page: what was looked at, what was tried, and what it answered, so that "nothing shows" has a reason.
 *
 * MUST: name every file and address; never show a token; treat every word of a peer or a file as text, not markup.
 */
import { safeMarkdown } from '../../shared/safe-text.ts';
import type { Cluster } from './clusters/cluster.ts';
import type { Clusters } from './clusters/clusters.ts';
import type { FileReport } from './config/workspace.ts';
import type { NodeLink } from './links/link.ts';

/** `now`: wall clock, ms. */
export function doctorPage(clusters: Clusters, files: readonly FileReport[], now: number): string {
  const parts = [
    '# Outrigger: what was tried',
    `Made at ${new Date(now).toISOString()}. Node.js ${process.versions.node} on ${process.platform}.`,
    clusters.attending
      ? 'Somebody looks, so links are open.'
      : 'Nobody looks, so no link is open; what follows is what was known last.',
    endpointPart(clusters),
    filePart(files),
    ...clusters.allWatched().map((cluster) => clusterPart(cluster, now)),
  ];
  if (clusters.allWatched().length === 0) {
    parts.push(
      '## No cluster is attached',
      'Start a sidecar (`outrigger demo` starts three), or attach an address.',
    );
  }
  const { detached } = clusters.remembered();
  if (detached.length > 0) {
    parts.push(
      `Detached by you, and so not watched: ${detached.map((name) => safeMarkdown(name)).join(', ')}.`,
    );
  }
  return `${parts.join('\n\n')}\n`;
}

function endpointPart(clusters: Clusters): string {
  const { root, last, problem } = clusters.endpoints;
  const found = last.endpoints.map(({ cluster, node, http, pid, version }) =>
    item(`${cluster}/${node}`, `at ${http}, process ${pid}, version ${version || 'unknown'}`),
  );
  const skipped = last.skipped.map(({ path, reason }) => item(path, `does not count: ${reason}`));
  return [
    '## Endpoint files',
    `Looked for in ${safeMarkdown(root)}.${problem === '' ? '' : ` ${safeMarkdown(problem)}.`}`,
    [...found, ...skipped].join('\n') || 'There is none: no sidecar of this user runs here.',
  ].join('\n\n');
}

function filePart(files: readonly FileReport[]): string {
  const lines = files.map(({ file, problem }) =>
    item(file, problem === '' ? 'is used' : `is not used: ${problem}`),
  );
  return [
    '## Workspace files',
    lines.join('\n') || 'No `outrigger.json` was read: there is none, or the workspace is not trusted.',
  ].join('\n\n');
}

function clusterPart(cluster: Cluster, now: number): string {
  const links = new Map([...cluster.links()].map((link) => [link.target.http, link]));
  const nodes = cluster.samples().map(({ id, http, link }) => {
    const state = `${link.state}${link.reason === '' ? '' : `: ${link.reason}`}`;
    const own = links.get(http);
    return [
      item(id, `${http === '' ? 'no address' : http}, ${state}, since ${ago(link.since, now)}`),
      ...(own === undefined ? [] : linkLines(own, now)),
    ].join('\n');
  });
  return [
    `## Cluster ${safeMarkdown(cluster.name)}`,
    nodes.join('\n') || 'No node of it is known: no endpoint file, and no address answered.',
  ].join('\n\n');
}

function linkLines({ status, statusAt, target, eventsReason }: NodeLink, now: number): string[] {
  const said =
    status === undefined || statusAt === undefined
      ? 'it never gave its status'
      : `status ${ago(statusAt, now)}: ${status.role} in term ${status.term}, version ${status.version}, control ${status.control ? 'allowed' : 'not allowed'}`;
  const events =
    eventsReason === '' ? 'event stream: open, or not asked for' : `event stream: ${eventsReason}`;
  return [said, `token: ${target.tokens.origin}`, events].map((line) => `  - ${safeMarkdown(line)}`);
}

function item(name: string, text: string): string {
  return `- **${safeMarkdown(name)}** ${safeMarkdown(text)}`;
}

function ago(at: number, now: number): string {
  return `${(Math.max(0, now - at) / 1000).toFixed(1)} s ago`;
}
