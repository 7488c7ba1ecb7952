/** Which sidecars a command talks to. */
import assert from 'node:assert/strict';
import type { EndpointFile } from '../../shared/inspect.ts';
import { narrow } from '../../sidecar/cli/targets.ts';

function endpoint(cluster: string, node: string): EndpointFile {
  return {
    pid: 1,
    cluster,
    node,
    http: 'http://127.0.0.1:1',
    appSocket: '',
    tokenFile: '',
    control: false,
    version: '0',
  };
}

const ORDERS = ['n1', 'n2'].map((node) => endpoint('orders', node));
const BOTH = [...ORDERS, endpoint('stock', 'n1')];
const names = (found: readonly EndpointFile[]): string[] =>
  found.map(({ cluster, node }) => `${cluster}/${node}`);

describe('choosing sidecars', () => {
  it('needs no flags where one cluster runs', () => {
    assert.deepEqual(names(narrow(ORDERS, undefined, undefined)), ['orders/n1', 'orders/n2']);
    assert.deepEqual(names(narrow(ORDERS, undefined, 'n2')), ['orders/n2']);
  });

  it('never guesses between clusters', () => {
    assert.deepEqual(names(narrow(BOTH, 'stock', undefined)), ['stock/n1']);
    assert.throws(() => narrow(BOTH, undefined, 'n1'), {
      exitCode: 2,
      message: 'several clusters run here, choose one with --cluster: orders, stock.',
    });
  });

  it('lists what there is when the name is wrong', () => {
    assert.throws(() => narrow(BOTH, 'order', undefined), {
      exitCode: 2,
      message: /there is orders, stock\.$/,
    });
    assert.throws(() => narrow(BOTH, 'orders', 'n3'), {
      exitCode: 2,
      message: /no node called n3 of orders .* n1, n2\.$/,
    });
  });
});
