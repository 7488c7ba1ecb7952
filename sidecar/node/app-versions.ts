/**
 * A newer version of the app's commands for the whole cluster: from one entry of the log on (kind APP_VERSION) every app does
 * the new thing, whatever was upgraded when.
 *
 * MUST: refuse while a sidecar of the cluster does not know such entries, since it could neither keep nor skip them; refuse
 * while an app would have to stop there, unless the operator wants that.
 */
import { type Refusal, refusal } from '../../shared/codes.ts';
import { list } from '../../shared/wording.ts';
import { FEATURE } from '../peers/features.ts';
import type { Node } from './node.ts';
import type { VersionsTold } from './version-poll.ts';

/** Resolves with why `version` cannot be in force now, or with nothing. `force`: although apps would stop. */
export async function versionRefusal(
  node: Node,
  version: number,
  force: boolean,
): Promise<Refusal | undefined> {
  // Where its app stands a node knows which version is in force; without one it does not.
  if (!node.app.connected)
    return refusal('APP_ABSENT', `${node.id} has no app: ask a node whose app has applied what is committed`);
  const { appVersion } = node.sessions.machine.ahead;
  if (version <= appVersion)
    return refusal('BAD_REQUEST', `version ${appVersion} is in force, and a version only rises`);
  const old = membersWithout(node, FEATURE.APP_VERSION);
  if (old !== undefined) return refusal('UNSUPPORTED', old);
  if (force) return undefined;
  const told = await new Promise<VersionsTold>((done) => node.versionPoll.ask(performance.now(), done));
  const { connected: attached, knows } = node.app;
  const all = [[node.id, { attached, version: knows }] as const, ...told];
  const problems = all.flatMap(([id, its]) => {
    if (its === undefined) return [`${id} does not say what its app knows`];
    if (!its.attached) return [`${id} has no app`];
    return its.version >= version ? [] : [`the app of ${id} knows ${its.version} at most`];
  });
  if (problems.length === 0) return undefined;
  const message = `not every app is known to know version ${version}: ${problems.join(', ')}`;
  return refusal('UNSUPPORTED', message);
}

/** Why a feature of sidecars cannot be used yet, undefined where every member has it. */
function membersWithout(node: Node, level: number): string | undefined {
  const links = node.options.transport.links();
  const unheard = links.filter(({ features }) => features === undefined).map(({ id }) => id);
  const old = links.filter(({ features }) => features !== undefined && features < level).map(({ id }) => id);
  const why = [
    ...(old.length > 0 ? [`${list(old)} must be upgraded first`] : []),
    ...(unheard.length > 0 ? [`${list(unheard)} was not heard yet`] : []),
  ];
  if (why.length === 0) return undefined;
  return `not every sidecar of this cluster is known to know versions of apps: ${why.join(', ')}`;
}
