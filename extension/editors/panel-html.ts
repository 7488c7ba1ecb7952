/**
 * The page of a panel.
 *
 * MUST: allow nothing by its Content-Security-Policy but our own script (by nonce), style and fonts: no network, no inline
 * script, no eval. MUST be pure.
 */
export interface PageParts {
  /** Of `panel.js` and `panel.css`, as the webview sees them. */
  readonly script: string;
  readonly style: string;
  /** Of `Webview.cspSource`. */
  readonly source: string;
  readonly nonce: string;
  readonly language: string;
  readonly title: string;
}

export function panelHtml(parts: PageParts): string {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${parts.nonce}'`,
    `style-src ${parts.source}`,
    `font-src ${parts.source}`,
    `img-src ${parts.source}`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="${escapeHtml(parts.language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(parts.title)}</title>
<link rel="stylesheet" href="${escapeHtml(parts.style)}">
</head>
<body>
<script nonce="${escapeHtml(parts.nonce)}" src="${escapeHtml(parts.script)}"></script>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
