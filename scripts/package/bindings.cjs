/** Takes the place of the package `bindings` in the packed sidecar: SQLite's compiled part lies beside the bundle. */
const load = require;
module.exports = (name) => load(`./${name}`);
