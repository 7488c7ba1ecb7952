/**
 * What each route does. The door (`gate.ts`), the token and the body's size have been checked before.
 *
 * MUST: check what the request says, ask the node, and write down its answer; decide nothing about Raft.
 */
import type { Request, Response } from 'express';
import { type Refusal, refusal } from '../../shared/codes.ts';
import { sendBytes, sendJson, sendRefusal, setPlainHeader } from './answers.ts';
import { type EventStreams, startAfter } from './event-stream.ts';
import type { ClientHost, HttpHost, HttpSessionRequest, MembersChanged } from './host.ts';
import {
  appVersionBody,
  badRequest,
  check,
  eventsQuery,
  explainQuery,
  faultBody,
  logQuery,
  memberBody,
  memberId,
  noQuery,
  readBody,
  sessionBody,
  sessionId,
  sessionOf,
  skipBody,
  timeoutOf,
  transferBody,
} from './input.ts';

export type Handler<Host = HttpHost> = (
  request: Request,
  response: Response,
  host: Host,
  streams: EventStreams,
) => void | Promise<void>;

const NOTHING = new Uint8Array(0);
const NO_CHANGE = { peer: '', learner: false, replaces: '', priority: 0 } as const;

/** 200 while the process works: that this runs is the whole answer. */
export const livez: Handler<ClientHost> = (_request, response) => {
  sendJson(response, 200, { live: true });
};

export const readyz: Handler<ClientHost> = (_request, response, host) => {
  const checks = host.readiness();
  const failing = checks.filter((one) => !one.ok);
  if (failing.length === 0) {
    sendJson(response, 200, { ready: true, checks });
    return;
  }
  const message = failing.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
  sendJson(response, 503, { ...refusal('NOT_READY', message), ready: false, checks });
};

/** For load balancers: only the leader that holds a quorum answers 200. */
export const leader: Handler<ClientHost> = (_request, response, host) => {
  const view = host.leader();
  setPlainHeader(response, 'X-Outrigger-Leader', view.leader);
  setPlainHeader(response, 'X-Outrigger-Leader-Http', view.http);
  if (view.isLeader) {
    sendJson(response, 200, view);
    return;
  }
  const message =
    view.leader === null
      ? 'no leader is known'
      : `this node is not a leader with a quorum; it knows ${view.leader}`;
  const { code, definite } = refusal('NOT_LEADER', message);
  sendJson(response, 503, { code, definite, message, ...view });
};

export const metrics: Handler<ClientHost> = async (_request, response, host) => {
  const { contentType, text } = await host.metrics();
  sendBytes(response, 200, contentType, Buffer.from(text));
};

export const status: Handler<ClientHost> = (_request, response, host) => {
  sendJson(response, 200, host.status());
};

export const log: Handler = async (request, response, host) => {
  const { from, to, limit, stages } = check(logQuery, request.query, 'the query');
  sendJson(response, 200, await host.log(from, to, limit, stages));
};

export const terms: Handler = (request, response, host) => {
  check(noQuery, request.query, 'the query');
  sendJson(response, 200, host.terms());
};

/** Answers for as long as the reader stays; see `event-stream.ts`. HEAD tells where the events begin and end. */
export const events: Handler = (request, response, host, streams) => {
  const { since } = check(eventsQuery, request.query, 'the query');
  const feed = host.events();
  streams.begin(feed, response, startAfter(feed, since, request.headers), request.method === 'HEAD');
};

export const explain: Handler = async (request, response, host) => {
  const question = check(explainQuery, request.query, 'the query');
  sendJson(response, 200, await host.explain(question));
};

export const members: Handler = (request, response, host) => {
  check(noQuery, request.query, 'the query');
  sendJson(response, 200, host.members());
};

/** The body is the command, as it is; the answer's body is the app's result (empty when the app gave none). */
function sendChange(response: Response, outcome: MembersChanged | Refusal): void {
  if (isRefusal(outcome)) sendRefusal(response, outcome);
  else sendJson(response, 200, outcome);
}

/** Adds a member, or changes one that is there. */
export const addMember: Handler = async (request, response, host) => {
  check(noQuery, request.query, 'the query');
  const body = check(memberBody, request.body, 'the body');
  const { id, peer = '', learner, replaces = '' } = body;
  const there = host.members().find((member) => member.id === id);
  if (there === undefined && peer === '')
    throw badRequest('peer in the body is missing: it says where other sidecars reach the node');
  const act = there === undefined ? 'ADD' : 'UPDATE';
  const priority = body.priority ?? there?.priority ?? 0;
  const change = { act, id, peer, learner, replaces, priority } as const;
  sendChange(response, await host.changeMembers(change, timeoutOf(request.headers)));
};

export const removeMember: Handler = async (request, response, host) => {
  check(noQuery, request.query, 'the query');
  const change = { ...NO_CHANGE, act: 'REMOVE', id: check(memberId, request.params, 'the path').id } as const;
  sendChange(response, await host.changeMembers(change, timeoutOf(request.headers)));
};

export const promoteMember: Handler = async (request, response, host) => {
  check(noQuery, request.query, 'the query');
  const change = {
    ...NO_CHANGE,
    act: 'PROMOTE',
    id: check(memberId, request.params, 'the path').id,
  } as const;
  sendChange(response, await host.changeMembers(change, timeoutOf(request.headers)));
};

export const propose: Handler<ClientHost> = async (request, response, host) => {
  check(noQuery, request.query, 'the query');
  const body: unknown = request.body;
  const outcome = await host.propose(
    {
      command: body instanceof Uint8Array ? body : NOTHING,
      ...sessionOf(request.headers),
      timeoutMs: timeoutOf(request.headers),
    },
    request.socket,
  );
  if (isRefusal(outcome)) {
    sendRefusal(response, outcome);
    return;
  }
  response.setHeader('Outrigger-Index', outcome.index);
  response.setHeader('Outrigger-Term', outcome.term);
  if (outcome.duplicate) response.setHeader('Outrigger-Duplicate', 'true');
  if (outcome.resultLost) response.setHeader('Outrigger-Result-Lost', 'true');
  sendBytes(response, 200, 'application/octet-stream', outcome.result ?? NOTHING);
};

export const openSession: Handler<ClientHost> = async (request, response, host) => {
  check(noQuery, request.query, 'the query');
  const { ttlMs } = check(sessionBody, request.body, 'the body');
  await answerSession(request, response, host, { act: 'OPEN', ttlMs, timeoutMs: timeoutOf(request.headers) });
};

export const keepSession: Handler<ClientHost> = async (request, response, host) => {
  await answerSession(request, response, host, { act: 'KEEP', ...sessionNamed(request) });
};

export const closeSession: Handler<ClientHost> = async (request, response, host) => {
  await answerSession(request, response, host, { act: 'CLOSE', ...sessionNamed(request) });
};

function sessionNamed(request: Request): { session: number; timeoutMs: number } {
  check(noQuery, request.query, 'the query');
  const { id: session } = check(sessionId, request.params, 'the path');
  return { session, timeoutMs: timeoutOf(request.headers) };
}

async function answerSession(
  { socket }: Request,
  response: Response,
  host: ClientHost,
  asked: HttpSessionRequest,
): Promise<void> {
  const outcome = await host.session(asked, socket);
  if (isRefusal(outcome)) sendRefusal(response, outcome);
  else sendJson(response, 200, outcome);
}

export const read: Handler<ClientHost> = async (request, response, host) => {
  check(noQuery, request.query, 'the query');
  const { consistency, index } = check(readBody, request.body, 'the body');
  const timeoutMs = timeoutOf(request.headers);
  const outcome = await host.read({ consistency, index, timeoutMs }, request.socket);
  if (isRefusal(outcome)) sendRefusal(response, outcome);
  else sendJson(response, 200, { index: outcome.index });
};

/** Answers once it is on the disk, however long that takes. */
export const snapshot: Handler = async (request, response, host) => {
  check(noQuery, request.query, 'the query');
  const outcome = await host.takeSnapshot();
  if (isRefusal(outcome)) sendRefusal(response, outcome);
  else sendJson(response, 200, outcome);
};

export const skip: Handler = async (request, response, host) => {
  check(noQuery, request.query, 'the query');
  const { index, reason } = check(skipBody, request.body, 'the body');
  const outcome = await host.skip(index, reason, timeoutOf(request.headers));
  if (isRefusal(outcome)) sendRefusal(response, outcome);
  else sendJson(response, 200, outcome);
};

export const setAppVersion: Handler = async (request, response, host) => {
  check(noQuery, request.query, 'the query');
  const { version, reason, force } = check(appVersionBody, request.body, 'the body');
  const outcome = await host.setAppVersion(version, reason, force, timeoutOf(request.headers));
  if (isRefusal(outcome)) sendRefusal(response, outcome);
  else sendJson(response, 200, outcome);
};

export const transfer: Handler = async (request, response, host) => {
  check(noQuery, request.query, 'the query');
  const { to } = check(transferBody, request.body, 'the body');
  const outcome = await host.transfer(to ?? '');
  if (isRefusal(outcome)) sendRefusal(response, outcome);
  else sendJson(response, 200, outcome);
};

export const faults: Handler = (request, response, host) => {
  check(noQuery, request.query, 'the query');
  const outcome = host.faults();
  if ('code' in outcome) sendRefusal(response, outcome);
  else sendJson(response, 200, { faults: outcome });
};

export const plantFault: Handler = (request, response, host) => {
  check(noQuery, request.query, 'the query');
  const outcome = host.plantFault(check(faultBody, request.body, 'the body'));
  if (isRefusal(outcome)) sendRefusal(response, outcome);
  else sendJson(response, 200, outcome);
};

export const endFault: Handler = (request, response, host) => {
  check(noQuery, request.query, 'the query');
  const outcome = host.endFault(check(memberId, request.params, 'the path').id);
  if (isRefusal(outcome)) sendRefusal(response, outcome);
  else sendJson(response, 200, outcome);
};

/** A route of a sidecar, at a gateway. */
export const notAtGateway: Handler<ClientHost> = (_request, response) => {
  const message = 'a gateway keeps no log and has no members, events or page of its own: ask a replica';
  sendRefusal(response, refusal('UNSUPPORTED', message));
};

function isRefusal(outcome: object): outcome is Refusal {
  return 'code' in outcome;
}
