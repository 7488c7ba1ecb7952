/**
 * The page's host in tests: stands in for the editor by the editor's own seam, and watches what the page does.
 * `fixture` ({snapshot, answers, kept}) is put before it.
 */
(() => {
  const { fixture } = globalThis;
  const harness = { said: [], violations: [], kept: fixture.kept, answers: fixture.answers };
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) => {
    harness.violations.push(`${violatedDirective} ${blockedURI} ${sample}`);
  });
  harness.say = (message) => globalThis.postMessage(message, globalThis.origin);
  harness.snapshot = fixture.snapshot;
  const hear = (message) => {
    harness.said.push(message);
    if (message.type !== 'request') {
      if (harness.snapshot) harness.say(harness.snapshot);
      return;
    }
    const { id, method } = message;
    if (harness.silent) return;
    if (method in harness.answers) {
      harness.say({ type: 'reply', id, ok: true, result: harness.answers[method] });
    } else harness.say({ type: 'reply', id, ok: false, message: `${method} is not scripted` });
  };
  globalThis.harness = harness;
  globalThis.acquireVsCodeApi = () => ({
    postMessage: hear,
    getState: () => harness.kept,
    setState: (state) => {
      harness.kept = state;
    },
  });
})();
