/**
 * The browser of the tests: found where it usually is. For the workbench and for the page's own tests.
 *
 * MUST: use only what comes with Node.js.
 */
import { findProgram, isProgram } from '../apt.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const PLACES = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** The path of a Chromium, or undefined. `CHROMIUM` in the environment wins, and is not doubted. */
export function findChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  return findProgram(NAMES) ?? PLACES.find(isProgram);
}
