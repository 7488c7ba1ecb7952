/** Stands in for the native @vscode/spdlog in the tests' workbench: the same calls, plain appends to the log file. */
const { appendFile } = require('node:fs');

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'critical', 'off'];
const nothing = () => undefined;

function createLogger(_name, file) {
  let least = LEVELS.indexOf('info');
  // A log that cannot be written must not stop an editor; nothing reads it but a person.
  const log = (level) => (text) => {
    if (LEVELS.indexOf(level) < least) return;
    appendFile(file, `${new Date().toISOString()} [${level}] ${text}\n`, nothing);
  };
  return {
    ...Object.fromEntries(LEVELS.map((level) => [level, log(level)])),
    getLevel: () => least,
    setLevel: (level) => {
      least = level;
    },
    setPattern: nothing,
    clearFormatters: nothing,
    flush: nothing,
    drop: nothing,
  };
}

// Each by name: the server imports this file as a module, which sees only such names.
exports.setFlushOn = nothing;
exports.createRotatingLogger = async (name, file) => createLogger(name, file);
exports.createAsyncRotatingLogger = async (name, file) => createLogger(name, file);
