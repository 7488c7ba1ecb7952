/**
 * The view token in the browser: it comes in the URL fragment, which is never sent to a server.
 *
 * MUST: take it out of the address bar at once (history, screenshots, shared links); keep it for this tab only.
 */

const KEY = 'outrigger-token';
const TOKEN = /^[A-Za-z0-9_-]{1,256}$/;

export function isToken(token: string): boolean {
  return TOKEN.test(token);
}

/** The token of the fragment, or else the one kept in this tab; '' for none. */
export function takeToken(page: Window): string {
  const given = new URLSearchParams(page.location.hash.slice(1)).get('token');
  if (given !== null) {
    page.history.replaceState(null, '', page.location.pathname);
    if (isToken(given)) keepToken(page, given);
  }
  const kept = page.sessionStorage.getItem(KEY) ?? '';
  return isToken(kept) ? kept : '';
}

export function keepToken(page: Window, token: string): void {
  if (token === '') page.sessionStorage.removeItem(KEY);
  else page.sessionStorage.setItem(KEY, token);
}
