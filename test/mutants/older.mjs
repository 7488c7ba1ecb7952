/** Builds that are as sidecars were before: to upgrade from. Nothing kills them; they are no bugs. */
export const OLDER = [
  {
    name: 'before-app-versions',
    title: 'a sidecar that knows no APP_VERSION entries',
    file: 'sidecar/peers/features.ts',
    find: 'export const FEATURES = 1;',
    replace: 'export const FEATURES = 0;',
  },
];
