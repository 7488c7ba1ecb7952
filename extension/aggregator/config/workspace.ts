/**
 * The `outrigger.json` files on disk: which clusters they name, where they are, how their payloads are decoded.
 *
 * MUST: look at two places of each folder and nowhere else (its root and .vscode/), only while the workspace is trusted;
 * keep no address that would not be contacted; say of each file that is not used why.
 */
import { safeLine } from '../../../shared/safe-text.ts';
import type { Attachment } from '../../protocol.ts';
import { InspectError } from '../contract.ts';
import type { ClusterDecoder } from '../decode/decoders.ts';
import { TrustedFolder, WorkspaceFileError } from '../decode/trust.ts';
import { sidecarUrl } from '../links/address.ts';
import { check } from './checks.ts';
import { CONFIG_LIMITS } from './limits.ts';
import { outlineOf } from './outline.ts';
import { outriggerFileSchema } from './schema.ts';

/** A cluster that a workspace file names. */
export interface ConfiguredCluster extends Attachment {
  /** The workspace folder whose file names it. */
  readonly folder: string;
  readonly decoder?: ClusterDecoder['decoder'];
}

/** A file that is there and was read, or could not be: for the doctor page. */
export interface FileReport {
  /** As `folder/.vscode/outrigger.json`. */
  readonly file: string;
  /** Why it is not used, in a sentence; '' when it is. */
  readonly problem: string;
}

const PLACES = ['outrigger.json', '.vscode/outrigger.json'];

export class WorkspaceFiles {
  readonly #changed: () => void;
  #folders: readonly TrustedFolder[] = [];
  #clusters: readonly ConfiguredCluster[] = [];
  #reports: readonly FileReport[] = [];
  #round = 0;

  /** `changed` is called after each reading that found something else than before. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Empty unless the workspace is trusted. Of two that name the same cluster the first counts. */
  clusters(): readonly ConfiguredCluster[] {
    return this.#clusters;
  }

  reports(): readonly FileReport[] {
    return this.#reports;
  }

  /** Resolves when the files have been read. Without trust what was known is forgotten at once. */
  async setWorkspace(folders: readonly string[], trusted: boolean): Promise<void> {
    this.#folders = folders
      .slice(0, CONFIG_LIMITS.folders)
      .flatMap((folder) => TrustedFolder.of(folder, trusted) ?? []);
    if (this.#folders.length === 0) this.#take([], []);
    await this.reload();
  }

  /** Reads all files again. When called again meanwhile, only the last call has an effect. */
  async reload(): Promise<void> {
    this.#round += 1;
    const round = this.#round;
    const reports: FileReport[] = [];
    const found: ConfiguredCluster[] = [];
    for (const folder of this.#folders) {
      for (const place of PLACES) found.push(...(await readPlace(folder, place, reports)));
    }
    if (round !== this.#round) return;
    const first = new Map<string, ConfiguredCluster>();
    for (const cluster of found) if (!first.has(cluster.cluster)) first.set(cluster.cluster, cluster);
    this.#take([...first.values()], reports);
  }

  #take(clusters: readonly ConfiguredCluster[], reports: readonly FileReport[]): void {
    const same = JSON.stringify(clusters) === JSON.stringify(this.#clusters);
    this.#clusters = clusters;
    this.#reports = reports;
    if (!same) this.#changed();
  }
}

async function readPlace(
  folder: TrustedFolder,
  place: string,
  reports: FileReport[],
): Promise<ConfiguredCluster[]> {
  const file = `${folder.path}/${place}`;
  try {
    const text = await folder.read(place, CONFIG_LIMITS.fileChars);
    if (text === undefined) return [];
    const clusters = parse(text, folder.path);
    reports.push({ file, problem: '' });
    return clusters;
  } catch (error) {
    if (!(error instanceof WorkspaceFileError)) throw error;
    reports.push({ file, problem: safeLine(error.message) });
    return [];
  }
}

/** Throws WorkspaceFileError when the file is not whole: half a configuration would surprise more than none. */
function parse(text: string, folder: string): ConfiguredCluster[] {
  const outline = outlineOf(text);
  const parsed = outriggerFileSchema.safeParse(outline.value);
  if (outline.refused !== '' || outline.errors.length > 0 || !parsed.success) {
    const [first] = check(outline);
    throw new WorkspaceFileError(first?.message ?? 'it is not as it should be');
  }
  return parsed.data.clusters.map(({ name, nodes, decoder }) => ({
    cluster: name,
    addresses: [...new Set(nodes.flatMap(({ http }) => (http === undefined ? [] : usable(http))))],
    folder,
    ...(decoder === undefined ? {} : { decoder }),
  }));
}

/** Others have a diagnostic in the file; here they are left out. */
function usable(http: string): string[] {
  try {
    return [sidecarUrl(http)];
  } catch (error) {
    if (error instanceof InspectError) return [];
    throw error;
  }
}
