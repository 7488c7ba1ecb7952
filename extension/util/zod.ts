/**
 * Zod as this extension uses it: without code made at run time. To find out whether it may make some, zod asks things of
 * the extension host that the editor warns of. Imported first by every file here that makes schemas.
 */
import * as z from 'zod';

z.config({ jitless: true });
