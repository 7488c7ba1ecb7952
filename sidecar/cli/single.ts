/**
 * The `outrigger` command as a single executable: Node.js, this code and its files in one (scripts/package/single.mjs makes it).
 *
 * MUST: start itself where the command starts other processes of ours.
 */
import { getAssetKeys, getRawAsset } from 'node:sea';
import { carryFiles } from '../../shared/carried-files.ts';
import { runCommandLine } from './command-line.ts';

const names = new Set(getAssetKeys());
carryFiles((path) => (names.has(path) ? new Uint8Array(getRawAsset(path)) : undefined));
void runCommandLine(process.execPath);
