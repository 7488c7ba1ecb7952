/** The checks of clients, by the rules of docs/protocol.md, §9. */
import { type Check, Failed } from '../contract.ts';
import type { Disguise } from '../play/disguise.ts';
import type { ClientBench } from './bench.ts';
import { SESSION } from './bench.ts';
import type { Request } from './node.ts';

const WATCHED_MS = 500;
const TEXTS = [
  'a',
  'ab',
  'abc',
  'a b\tc',
  '"quoted" \\ \\n',
  'é ß Ω 日本語 🦀',
  '{"json":[1,null]}',
  'x'.repeat(20_000),
];
const LARGE = [2 ** 32 + 5, Number.MAX_SAFE_INTEGER - 3];

type ClientCheck = Check<ClientBench>;

const hello: ClientCheck = {
  id: 'hello',
  proves:
    'The client dials a node and says a hello without a state machine, with the token where it was given one.',
  needs: [],
  run: async (bench) => {
    await bench.start();
    bench.line('first');
    await bench.proposal('first');
  },
};

const proposes: ClientCheck = {
  id: 'proposes',
  proves:
    'Each line is proposed as it is, once, without a session where none is wanted, and its answer is handed over.',
  needs: ['hello'],
  run: async (bench) => {
    await bench.start();
    for (const [at, text] of TEXTS.entries()) {
      const { frame } = await bench.roundTrip(text, `result ${at}`);
      if (frame.session !== undefined || frame.sequence !== undefined) {
        throw new Failed('it was started with --once, and its proposal names a session');
      }
    }
  },
};

function inDisguise(id: string, proves: string, disguise: Disguise): ClientCheck {
  return {
    id,
    proves,
    needs: ['proposes'],
    ...(disguise === 'decimal strings'
      ? {
          spares: ({ facts }) =>
            facts.codec === 'json' ? undefined : 'it speaks protobuf, which has one form of an integer',
        }
      : {}),
    run: async (bench) => {
      (await bench.node()).disguise = disguise;
      await bench.start({ session: true });
      await bench.roundTrip('first');
      await bench.roundTrip('second');
    },
  };
}

const framing: ClientCheck = {
  id: 'framing',
  proves: 'Frames are read however the bytes arrive: cut at every byte, and behind others in one piece.',
  needs: ['proposes'],
  run: async (bench) => {
    (await bench.node()).split = true;
    await bench.start();
    await bench.roundTrip('first');
  },
};

const largeIndexes: ClientCheck = {
  id: 'large-indexes',
  proves: 'Indexes are 64-bit integers up to 2^53 - 1.',
  needs: ['proposes'],
  run: async (bench) => {
    await bench.start();
    for (const index of LARGE) {
      bench.leap(index);
      await bench.roundTrip('large');
    }
  },
};

const otherFrames: ClientCheck = {
  id: 'other-frames',
  proves:
    'News between a question and its answer (roles, pressure, pongs, an error without id) do it no harm.',
  needs: ['proposes'],
  run: async (bench) => {
    await bench.start();
    bench.line('first');
    const asked = await bench.proposal('first');
    asked.connection.send(
      { type: 'roleChanged', role: 'FOLLOWER', term: 9, leader: 'n9', cause: 'A_CAUSE_OF_A_LATER_VERSION' },
      { type: 'roleChanged', role: 'CANDIDATE', term: 10, cause: 'ELECTION_TIMEOUT' },
      { type: 'pressure', level: 'SLOW_DOWN' },
      { type: 'pressure', level: 'OK' },
      { type: 'pong', id: 2 ** 40 },
      { type: 'sessionExpired', session: 1 },
      { type: 'error', code: 'OVERLOADED', definite: true, message: 'said by the conformance suite' },
    );
    await bench.toldDone(bench.done(asked, 'done'), 'done');
  },
};

/** The client may try again what was surely not done: then it is done at last. */
async function refusedOrDone(bench: ClientBench, what: string): Promise<void> {
  const told = await bench.toldOrProposal();
  if ('frame' in told) await bench.toldDone(bench.done(told, 'at last'), 'at last');
  else if (!('kind' in told) || told.kind !== 'definite') {
    const said = 'kind' in told ? told.text : `${told.index} ${told.result}`;
    throw new Failed(`${what}: it should have printed ! definite, and it printed ${said}`);
  }
}

const definite: ClientCheck = {
  id: 'definite',
  proves: 'A definite refusal, whatever its code, is handed over as one that did not happen, or tried again.',
  needs: ['proposes'],
  run: async (bench) => {
    await bench.start();
    for (const code of ['BAD_REQUEST', 'A_CODE_OF_A_LATER_VERSION']) {
      bench.line('refused');
      bench.refuse(await bench.proposal('refused'), code, true);
      await refusedOrDone(bench, `a proposal was refused with ${code} (definite)`);
    }
    await bench.roundTrip('after that');
  },
};

const indefinite: ClientCheck = {
  id: 'indefinite',
  proves:
    'Without a session, what ended indefinitely, whatever its code, is handed over as unknown and never proposed again.',
  needs: ['proposes'],
  run: async (bench) => {
    await bench.start();
    for (const code of ['TIMEOUT', 'LEADER_LOST', 'A_CODE_OF_A_LATER_VERSION']) {
      bench.line('unsure');
      bench.refuse(await bench.proposal('unsure'), code, false);
      await bench.toldFailure('unknown', `a proposal ended with ${code} (indefinite)`);
      await bench.noProposal(WATCHED_MS, `a proposal ended with ${code} (indefinite)`);
    }
    await bench.roundTrip('after that');
  },
};

const cut: ClientCheck = {
  id: 'cut',
  proves:
    'A connection that breaks while a proposal is open makes its outcome unknown; the next line goes over another one.',
  needs: ['indefinite'],
  run: async (bench) => {
    await bench.start();
    bench.line('open');
    await (await bench.proposal('open')).connection.cut();
    await bench.toldFailure('unknown', 'the connection broke while a proposal was open');
    await bench.noProposal(WATCHED_MS, 'the connection broke while a proposal was open');
    await bench.roundTrip('after that');
  },
};

function inSession({ frame }: Request<'propose'>, sequence: number): void {
  const { session, sequence: its, ackBelow = 0 } = frame;
  if (session !== SESSION || its !== sequence) {
    throw new Failed(
      `it proposed in session ${session} as number ${its}, and not in ${SESSION} as ${sequence}`,
    );
  }
  if (ackBelow > sequence) {
    throw new Failed(
      `its proposal number ${sequence} says ackBelow ${ackBelow}: it has no answer of that yet`,
    );
  }
}

const session: ClientCheck = {
  id: 'session',
  proves: 'In a session commands are numbered 1, 2, 3, and ackBelow is never above what has no answer.',
  needs: ['proposes'],
  run: async (bench) => {
    await bench.start({ session: true });
    for (const sequence of [1, 2, 3]) inSession(await bench.roundTrip(`command ${sequence}`), sequence);
  },
};

const sessionRetry: ClientCheck = {
  id: 'session-retry',
  proves:
    'In a session what is not answered is proposed again as the same command under the same number, in the same session.',
  needs: ['session', 'cut'],
  run: async (bench) => {
    await bench.start({ session: true });
    inSession(await bench.roundTrip('first'), 1);
    bench.line('again');
    const asked = await bench.proposal('again');
    inSession(asked, 2);
    await asked.connection.cut();
    const second = await bench.proposal('again');
    inSession(second, 2);
    bench.refuse(second, 'LEADER_LOST', false);
    const third = await bench.proposal('again');
    inSession(third, 2);
    await bench.toldDone(bench.done(third, 'at last', { duplicate: true }), 'at last');
    inSession(await bench.roundTrip('next'), 3);
    if (bench.poll('openSession') !== undefined) throw new Failed('it opened another session');
  },
};

const sessionNumber: ClientCheck = {
  id: 'session-number',
  proves: 'In a session the number of a command whose only try was definitely refused is used for the next.',
  needs: ['session', 'definite'],
  run: async (bench) => {
    await bench.start({ session: true });
    bench.line('refused');
    const asked = await bench.proposal('refused');
    inSession(asked, 1);
    bench.refuse(asked, 'TOO_LARGE', true);
    const told = await bench.toldOrProposal();
    if ('frame' in told) {
      inSession(told, 1);
      await bench.toldDone(bench.done(told, 'at last'), 'at last');
      inSession(await bench.roundTrip('next'), 2);
      return;
    }
    bench.line('next');
    const next = await bench.proposal('next');
    inSession(next, 1);
    await bench.toldDone(bench.done(next, 'done'), 'done');
  },
};

const sessionLost: ClientCheck = {
  id: 'session-lost',
  proves: 'A session that is gone (SESSION_UNKNOWN) is told as lost, and never silently replaced by another.',
  needs: ['session-retry'],
  run: async (bench) => {
    await bench.start({ session: true });
    await bench.roundTrip('first');
    bench.line('lost');
    bench.refuse(await bench.proposal('lost'), 'TIMEOUT', false);
    bench.refuse(await bench.proposal('lost'), 'SESSION_UNKNOWN', true);
    await bench.toldFailure(
      'session-lost',
      'a command that may have happened was tried again, and its session is unknown',
    );
    bench.mayEnd();
    bench.line('after that');
    await bench.noProposal(WATCHED_MS, 'its session is lost');
    if (bench.poll('openSession') !== undefined)
      throw new Failed('its session is lost, and it opened another by itself');
  },
};

const movesOn: ClientCheck = {
  id: 'moves-on',
  proves: 'When its node says goodbye and is gone, the client goes on at another, in the same session.',
  needs: ['session-retry'],
  run: async (bench) => {
    await bench.node();
    await bench.node();
    await bench.start({ session: true });
    const { node } = await bench.roundTrip('first');
    node.say({ type: 'goodbye', reason: 'SHUTTING_DOWN' });
    await Promise.all([...node.connections].map((connection) => connection.end()));
    await node.die();
    const after = await bench.roundTrip('second');
    if (after.node === node) throw new Failed('it proposed at a node that is gone');
    inSession(after, 2);
  },
};

const foreign: ClientCheck = {
  id: 'foreign',
  proves: 'A node of another cluster is given nothing: its indexes mean something else.',
  needs: ['moves-on'],
  run: async (bench) => {
    await bench.node();
    await bench.node('another cluster');
    await bench.start();
    const { node } = await bench.roundTrip('first');
    await node.die();
    bench.line('second');
    const met = bench.nodes.find((one) => one !== node);
    await bench.noProposal(WATCHED_MS, `the cluster of ${met?.id} is not the one of its first node`);
    await node.listen();
    // What the client makes of the line meanwhile is its own matter: it was never proposed elsewhere.
    const told = await bench.toldOrProposal();
    if ('frame' in told && told.node !== node) {
      throw new Failed(`it proposed at ${told.node.id}, a node of another cluster`);
    }
  },
};

const readsItsWrites: ClientCheck = {
  id: 'reads',
  proves:
    'A read AT_LEAST names the highest index that the client was told; all done, the client ends with exit code 0.',
  needs: ['session'],
  run: async (bench) => {
    await bench.start({ session: true });
    await bench.roundTrip('first');
    bench.leap(400);
    await bench.roundTrip('second');
    bench.endInput();
    const { connection, frame } = await bench.next('read');
    if (frame.consistency !== 'AT_LEAST' || frame.index !== 401) {
      throw new Failed(`it was told 401 last, and it reads ${frame.consistency} ${frame.index ?? ''}`);
    }
    connection.send({ type: 'readReady', id: frame.id, index: 402 });
    const code = await bench.ended();
    if (code !== 0) throw new Failed(`all its lines were answered, and it ended with exit code ${code}`);
  },
};

export const CLIENT_CHECKS: readonly ClientCheck[] = [
  hello,
  proposes,
  largeIndexes,
  framing,
  inDisguise(
    'decimal-strings',
    'In JSON lines a 64-bit integer may come as a decimal string, as the official protobuf runtimes write it.',
    'decimal strings',
  ),
  inDisguise(
    'unknown-fields',
    'Fields that the client does not know, of a later version, are ignored.',
    'unknown fields',
  ),
  otherFrames,
  definite,
  indefinite,
  cut,
  session,
  sessionRetry,
  sessionNumber,
  sessionLost,
  movesOn,
  foreign,
  readsItsWrites,
];
