/** Which apps differ, from the hashes of their states; and how nodes tell each other. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { LIMITS } from '../../shared/limits.ts';
import type { AppHashes, AppVerdict } from '../../shared/messages.ts';
import { type Account, compare, describeFinding, type Finding } from '../../sidecar/node/divergence.ts';
import { StateWatch } from '../../sidecar/node/state-watch.ts';

const THREE = ['n1', 'n2', 'n3'];

/** `n1: 10a 20b`: its hash at 10 is a, at 20 b. */
function accounts(...lines: string[]): Account[] {
  return lines.map((line) => {
    const [node = '', rest = ''] = line.split(': ');
    const hashes = rest.split(' ').flatMap((word): [number, string][] => {
      const [, index, hash] = /^(\d+)(\w)$/.exec(word) ?? [];
      return index === undefined || hash === undefined ? [] : [[Number(index), hash]];
    });
    return { node, hashes: new Map(hashes) };
  });
}

const minority = (node: string, after: number, through: number): Finding => ({
  verdict: 'MINORITY',
  nodes: [node],
  after,
  through,
});

describe('apps compared', () => {
  const cases: readonly {
    readonly name: string;
    readonly lines: readonly string[];
    readonly voters?: readonly string[];
    readonly findings: readonly Finding[];
    readonly equalAt?: number;
  }[] = [
    { name: 'nobody said anything', lines: ['n1: ', 'n2: '], findings: [] },
    {
      name: 'all are equal',
      lines: ['n1: 10a 20b', 'n2: 10a 20b', 'n3: 10a 20b'],
      findings: [],
      equalAt: 20,
    },
    { name: 'at different positions', lines: ['n1: 10a 20b', 'n2: 30c 40d', 'n3: 50e'], findings: [] },
    { name: 'one has not got so far', lines: ['n1: 10a 20b', 'n2: 10a'], findings: [], equalAt: 10 },
    {
      name: 'one of three is wrong',
      lines: ['n1: 10a 20b 30c', 'n2: 10a 20b 30c', 'n3: 10a 20x 30y'],
      findings: [minority('n3', 10, 20)],
      equalAt: 10,
    },
    {
      name: 'it was never right',
      lines: ['n1: 20b', 'n2: 10a 20x', 'n3: 20b'],
      findings: [minority('n2', 0, 20)],
    },
    {
      name: 'only a later index decides, an earlier one shows it',
      lines: ['n1: 10a 20b 30c', 'n2: 10a 20x 30y', 'n3: 30c'],
      findings: [minority('n2', 10, 20)],
      equalAt: 10,
    },
    {
      name: 'it was right once, and others told later',
      lines: ['n1: 10a 20b', 'n2: 10a 20x', 'n3: 20b'],
      findings: [minority('n2', 10, 20)],
      equalAt: 10,
    },
    {
      name: 'two of five are wrong, each in its own way',
      lines: ['n1: 10a 20b', 'n2: 10a 20x', 'n3: 10a 20b', 'n4: 10y 20z', 'n5: 10a 20b'],
      voters: ['n1', 'n2', 'n3', 'n4', 'n5'],
      findings: [minority('n2', 10, 20), minority('n4', 0, 10)],
    },
    {
      name: 'two nodes',
      lines: ['n1: 10a 20b', 'n2: 10a 20x'],
      voters: ['n1', 'n2'],
      findings: [{ verdict: 'UNDECIDED', nodes: ['n1', 'n2'], after: 10, through: 20 }],
      equalAt: 10,
    },
    {
      name: 'two of three differ, and the third said nothing',
      lines: ['n1: 10a', 'n3: 10x'],
      findings: [{ verdict: 'UNDECIDED', nodes: ['n1', 'n3'], after: 0, through: 10 }],
    },
    {
      name: 'all three differ',
      lines: ['n1: 10a 20b', 'n2: 10a 20x', 'n3: 10a 20y'],
      findings: [{ verdict: 'UNDECIDED', nodes: ['n1', 'n2', 'n3'], after: 10, through: 20 }],
      equalAt: 10,
    },
    {
      name: 'a tie of four',
      lines: ['n1: 10a', 'n2: 10a', 'n3: 10x', 'n4: 10x'],
      voters: ['n1', 'n2', 'n3', 'n4'],
      findings: [{ verdict: 'UNDECIDED', nodes: ['n1', 'n2', 'n3', 'n4'], after: 0, through: 10 }],
    },
    {
      name: 'a learner does not count for the majority, and may be wrong',
      lines: ['n1: 10a', 'n2: 10a', 'n4: 10x'],
      findings: [minority('n4', 0, 10)],
    },
    {
      name: 'two learners make no majority',
      lines: ['n1: 10a', 'n4: 10x', 'n5: 10x'],
      findings: [{ verdict: 'UNDECIDED', nodes: ['n1', 'n4', 'n5'], after: 0, through: 10 }],
    },
  ];

  for (const { name, lines, voters = THREE, findings, equalAt = 0 } of cases) {
    it(name, () => {
      const found = compare(accounts(...lines), voters);
      assert.deepEqual(found, { findings, equalAt });
      assert.deepEqual(compare(accounts(...lines).reverse(), voters).findings.length, findings.length);
      for (const finding of findings) {
        assert.match(describeFinding(finding), /after the same entries the apps? of n\d/);
        assert.doesNotMatch(describeFinding(finding), /undefined|NaN/);
      }
    });
  }

  it('blames exactly who was made wrong, in a window that holds the place, whatever was told of', () => {
    const indexes = Array.from({ length: 12 }, (_, i) => (i + 1) * 10);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4 }),
        fc.integer({ min: 1, max: 120 }),
        fc.array(fc.subarray(indexes, { minLength: 4 }), { minLength: 5, maxLength: 5 }),
        (culprit, wrongFrom, told) => {
          const voters = ['n1', 'n2', 'n3', 'n4', 'n5'];
          const all = voters.map((node, i): Account => {
            const hash = (index: number): string =>
              i === culprit && index >= wrongFrom ? `x${index}` : `${index}`;
            return { node, hashes: new Map((told[i] ?? []).map((index) => [index, hash(index)])) };
          });
          for (const { verdict, nodes, after, through } of compare(all, voters).findings) {
            assert.ok(nodes.includes(voters[culprit] ?? ''));
            assert.ok(after < wrongFrom && wrongFrom <= through);
            if (verdict === 'MINORITY') assert.equal(nodes.length, 1);
          }
        },
      ),
    );
  });
});

/** Nodes that tell each other at once, except where a message is lost. */
class Nodes {
  readonly alarms: { node: string; finding: Finding }[] = [];
  readonly condemned: string[] = [];
  readonly sent: (AppHashes | AppVerdict)[] = [];
  readonly watches = new Map<string, StateWatch>();
  lose: (message: AppHashes | AppVerdict) => boolean = () => false;
  leader: string;
  now = 0;
  #lives = 0;

  constructor(ids: readonly string[], leader = ids[0] ?? '') {
    this.leader = leader;
    for (const id of ids) {
      const watch = new StateWatch({
        id,
        group: '',
        voters: () => ids,
        send: (message) => {
          this.sent.push(message);
          if (this.lose(message)) return;
          const to = this.of(message.to);
          if (message.type === 'AppHashes') to.receiveHashes(message);
          else to.receiveVerdict(message);
        },
        newLife: () => ++this.#lives,
        alarm: (finding) => this.alarms.push({ node: id, finding }),
        condemned: () => this.condemned.push(id),
      });
      this.watches.set(id, watch);
    }
  }

  of(id: string): StateWatch {
    return this.watches.get(id) as StateWatch;
  }

  turn(ms = 100): void {
    this.now += ms;
    for (const [id, watch] of this.watches) watch.turn(this.now, id === this.leader, this.leader);
  }

  tell(index: number, hashes: Readonly<Record<string, string>>): void {
    for (const [id, hash] of Object.entries(hashes)) this.of(id).told(index, hash);
  }

  /** Who was alarmed about whom. */
  get alarmed(): string[] {
    return this.alarms.map(({ node, finding }) => `${node}: ${finding.verdict} ${finding.nodes.join(' ')}`);
  }
}

describe('state hashes between nodes', () => {
  it('find who is wrong, tell it and the leader once, and stop its app', () => {
    const nodes = new Nodes(THREE);
    nodes.turn();
    nodes.tell(10, { n1: 'a', n2: 'a', n3: 'a' });
    nodes.turn();
    nodes.tell(20, { n1: 'b', n2: 'b', n3: 'x' });
    for (let i = 0; i < 20; i++) nodes.turn();
    assert.deepEqual(nodes.alarmed.sort(), ['n1: MINORITY n3', 'n3: MINORITY n3']);
    assert.deepEqual(nodes.condemned, ['n3']);
    assert.deepEqual(nodes.of('n1').findings, [minority('n3', 10, 20)]);
    assert.equal(nodes.of('n1').equalAt, 10);
    assert.equal(nodes.of('n3').barredAfter, 10);
    assert.equal(nodes.of('n2').barredAfter, undefined);

    // It starts anew, and does the same as the others this time.
    nodes.of('n3').attached();
    nodes.turn();
    nodes.turn();
    assert.deepEqual(nodes.of('n1').findings, []);
    assert.equal(nodes.of('n3').barredAfter, 10);
    nodes.tell(10, { n3: 'a' });
    nodes.tell(20, { n3: 'b' });
    assert.equal(nodes.of('n3').barredAfter, undefined);
    nodes.turn();
    nodes.turn();
    assert.deepEqual(nodes.condemned, ['n3']);
    assert.equal(nodes.of('n1').equalAt, 20);
  });

  it('find a leader that is wrong', () => {
    const nodes = new Nodes(THREE);
    nodes.turn();
    nodes.tell(10, { n1: 'x', n2: 'a', n3: 'a' });
    nodes.turn();
    nodes.turn();
    assert.deepEqual(nodes.alarmed, ['n1: MINORITY n1']);
    assert.deepEqual(nodes.condemned, ['n1']);
  });

  it('are told to a new leader', () => {
    const nodes = new Nodes(THREE);
    nodes.turn();
    nodes.tell(10, { n1: 'a', n2: 'a', n3: 'a' });
    nodes.turn();
    nodes.tell(20, { n2: 'b', n3: 'x' });
    nodes.leader = 'n2';
    nodes.turn();
    nodes.tell(20, { n1: 'b' });
    nodes.turn();
    nodes.turn();
    assert.deepEqual(nodes.condemned, ['n3']);
    assert.deepEqual(nodes.of('n2').findings, [minority('n3', 10, 20)]);
    assert.deepEqual(nodes.of('n1').findings, [], 'who does not lead does not judge');
  });

  it('name both of two, after a while in which others could have decided', () => {
    const nodes = new Nodes(['n1', 'n2']);
    nodes.turn();
    nodes.tell(10, { n1: 'a', n2: 'x' });
    nodes.turn();
    nodes.turn();
    assert.deepEqual(nodes.alarmed, []);
    nodes.turn(LIMITS.undecidedMs);
    assert.deepEqual(nodes.alarmed.sort(), ['n1: UNDECIDED n1 n2', 'n2: UNDECIDED n1 n2']);
    assert.deepEqual(nodes.condemned, []);
    nodes.turn(LIMITS.stateHashesAgainMs);
    assert.equal(nodes.alarms.length, 2);
  });

  it('decide at once when the third speaks, also after it was said that nobody can', () => {
    const nodes = new Nodes(THREE);
    nodes.turn();
    nodes.tell(10, { n1: 'a', n2: 'x' });
    nodes.turn();
    nodes.turn();
    nodes.turn(LIMITS.undecidedMs);
    assert.deepEqual(nodes.condemned, []);
    nodes.tell(10, { n3: 'a' });
    nodes.turn();
    nodes.turn();
    assert.deepEqual(nodes.condemned, ['n2']);
    assert.ok(nodes.alarmed.includes('n2: UNDECIDED n1 n2') && nodes.alarmed.includes('n2: MINORITY n2'));
  });

  it('survive lost messages', () => {
    const nodes = new Nodes(THREE);
    nodes.turn();
    nodes.lose = () => true;
    nodes.tell(10, { n1: 'a', n2: 'a', n3: 'x' });
    nodes.turn();
    nodes.lose = ({ type }) => type === 'AppVerdict';
    nodes.turn(LIMITS.stateHashesAgainMs);
    nodes.turn();
    assert.deepEqual(nodes.condemned, []);
    nodes.lose = () => false;
    nodes.turn(LIMITS.stateHashesAgainMs);
    nodes.turn();
    assert.deepEqual(nodes.condemned, ['n3']);
  });

  it('do not condemn a new life for what an earlier one did', () => {
    const nodes = new Nodes(THREE);
    nodes.turn();
    nodes.lose = ({ type }) => type === 'AppVerdict';
    nodes.tell(10, { n1: 'a', n2: 'a', n3: 'x' });
    nodes.turn();
    nodes.turn();
    nodes.lose = ({ type }) => type === 'AppHashes';
    nodes.of('n3').attached();
    nodes.turn(LIMITS.stateHashesAgainMs);
    assert.deepEqual(nodes.condemned, []);
  });

  it('cost nothing where no app tells any, and little where they are many', () => {
    const nodes = new Nodes(THREE);
    for (let i = 0; i < 100; i++) nodes.turn(1_000);
    assert.equal(nodes.sent.length, 0);
    for (let index = 1; index <= 10 * LIMITS.stateHashes; index++) {
      nodes.tell(index, { n1: `${index}`, n2: `${index}`, n3: `${index}` });
      if (index % 100 === 0) nodes.turn();
    }
    nodes.turn();
    nodes.turn();
    assert.equal(nodes.alarms.length, 0);
    const most = Math.max(...nodes.sent.map((message) => ('hashes' in message ? message.hashes.length : 0)));
    assert.ok(most <= LIMITS.stateHashesSent, `${most} in one message`);
    assert.equal(nodes.of('n1').equalAt, 10 * LIMITS.stateHashes);
  });
});
