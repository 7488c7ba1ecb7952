/** The clients of all languages have one shape: the same limits, and nothing that their users would have to install. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { CLIENT_LIMITS } from '../../clients/typescript/outrigger.ts';

function python(program: string): unknown {
  const env = { ...process.env, PYTHONPATH: 'clients/python', PYTHONDONTWRITEBYTECODE: '1' };
  const { status, stdout, stderr } = spawnSync('python3', ['-c', program], { env, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

describe('the shape of the clients', () => {
  it('the Python one has the same limits, in seconds', () => {
    const theirs = python('import json, outrigger; print(json.dumps(outrigger.Limits()._asdict()))');
    const ours = Object.entries(CLIENT_LIMITS).map(([name, value]) => {
      const snake = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      return snake.endsWith('_ms') ? [`${snake.slice(0, -2)}s`, value / 1_000] : [snake, value];
    });
    assert.deepEqual(theirs, Object.fromEntries(ours));
  });

  it('the Python one is Python 3.8, and imports the standard library alone', () => {
    const imported = python(`
import ast, json, sys
tree = ast.parse(open("clients/python/outrigger.py").read(), feature_version=(3, 8))
names = {a.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
names |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
known = getattr(sys, "stdlib_module_names", names)
print(json.dumps({"found": len(names), "foreign": sorted(names - set(known))}))`);
    assert.deepEqual((imported as { foreign: string[] }).foreign, []);
    assert.ok((imported as { found: number }).found > 5);
  });
});
