/** Not a test of the extension: ends its host in the middle, to prove that this is noticed. */
describe('a suite', () => {
  it('whose first test passes', () => undefined);
  it('whose second one ends the extension host', () => process.kill(process.pid, 'SIGKILL'));
});
