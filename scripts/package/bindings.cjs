/**
 * Takes the place of the package `bindings` in the packed sidecar: SQLite's compiled part lies beside the bundle. Where it was
 * packed for another platform, the one of the package `sqlite3` serves, if that is installed beside us.
 */
const load = require;
const here = `${process.platform}-${process.arch}`;

module.exports = () => {
  let own;
  try {
    return load(`./node_sqlite3-${here}.node`);
  } catch (error) {
    own = error;
  }
  try {
    return load('sqlite3/build/Release/node_sqlite3.node');
  } catch (error) {
    const absent = own.code === 'MODULE_NOT_FOUND';
    const why = absent ? `it is not in this package for ${here}` : own.message.split('\n')[0];
    const remedy =
      error.code === 'MODULE_NOT_FOUND'
        ? '`npm install sqlite3@6.0.1` in the same place (with -g where this is) gets or compiles it'
        : `and the one of the package sqlite3 does not load either: ${error.message.split('\n')[0]}`;
    // The command ends with it: bad configuration.
    throw Object.assign(new Error(`SQLite's compiled part cannot be loaded: ${why}; ${remedy}.`), {
      exitCode: 2,
    });
  }
};
