/** What names of clusters and nodes are. MUST be pure: the core of more than one side stands on it. */

/** A cluster or node name: it is part of file names, header values, metrics and certificates, so it is kept plain. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
