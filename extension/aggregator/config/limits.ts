/** Every limit of `outrigger.json`, by name, with what happens at it. Sizes are characters, times milliseconds. */
export const CONFIG_LIMITS = {
  /** One file or document. Over it: not read; one diagnostic says so. */
  fileChars: 256 * 1024,
  /** Values within values. Over it: not parsed; one diagnostic says so. */
  depth: 32,
  /** Clusters of one file, nodes of one cluster. Over it: a diagnostic. */
  clusters: 64,
  nodes: 64,
  /** Diagnostics of one document. The rest is not told. */
  findings: 200,
  /** Workspace folders that are looked at. The rest is not. */
  folders: 32,
  /** Between two asks to draw the live state of open documents again. */
  refreshMs: 500,
} as const;
