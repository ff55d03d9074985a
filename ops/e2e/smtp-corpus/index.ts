/** The corpus: all cases, in the order of what they are about. */
import { addresses } from "./addresses.ts";
import { attachments } from "./attachments.ts";
import { bulk } from "./bulk.ts";
import type { Case } from "./case.ts";
import { charsets } from "./charsets.ts";
import { embedded } from "./embedded.ts";
import { encodings } from "./encodings.ts";
import { filenames } from "./filenames.ts";
import { headers } from "./headers.ts";
import { inline } from "./inline.ts";
import { lineEnds } from "./line-ends.ts";
import { sealed } from "./sealed.ts";
import { structure } from "./structure.ts";
import { subjects } from "./subjects.ts";
import { types } from "./types.ts";

export const corpus: readonly Case[] = [
  ...headers,
  ...subjects,
  ...addresses,
  ...charsets,
  ...structure,
  ...types,
  ...encodings,
  ...attachments,
  ...filenames,
  ...inline,
  ...embedded,
  ...sealed,
  ...lineEnds,
  ...bulk,
];
