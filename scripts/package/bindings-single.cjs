/** Takes the place of the package `bindings` in the single executable, which carries SQLite's compiled part. */
const { loadCarriedAddon } = require('../../sidecar/cli/carried-addon.ts');
module.exports = () => loadCarriedAddon();
