/**
 * Starts the page: finds the host, puts the panel into the document.
 *
 * A page that loads panel.js and panel.css needs nothing else in its body. Words in another language may stand in
 * `<script type="application/json" id="outrigger-strings">`.
 */
import './panel.css';
import { browserHost } from './host/browser.ts';
import { vscodeHost } from './host/vscode.ts';
import { setStrings } from './strings.ts';
import { Panel } from './views/panel.ts';

function start(): void {
  const words = document.getElementById('outrigger-strings')?.textContent;
  if (words) setStrings(JSON.parse(words));
  customElements.define('outrigger-panel', Panel);
  const panel = new Panel();
  panel.host = vscodeHost(window) ?? browserHost(window);
  document.body.append(panel);
}

if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start, { once: true });
else start();
