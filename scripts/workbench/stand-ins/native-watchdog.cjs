/**
 * Stands in for the native @vscode/native-watchdog in the tests' workbench. The real one ends a process whose parent is gone;
 * the tests end the whole process group.
 */
exports.start = () => undefined;
exports.exit = (code) => process.exit(code);
