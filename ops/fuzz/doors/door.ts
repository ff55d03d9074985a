/** What every door is tried with, and what comes of it. */
import type { Random } from "../../harness/random.ts";
import type { Findings } from "../findings.ts";
import type { House } from "../house.ts";
import type { Known } from "../known.ts";
import type { Limits } from "../pace.ts";
import type { Patience } from "../patience.ts";
import type { Tally } from "../tally.ts";

export interface Trial {
  house: House;
  known: Known;
  /** Only operations with this in their name. */
  route: string;
  limits: Limits;
  patience: Patience;
  findings: Findings;
  random: Random;
  tell(line: string): void;
}

export interface Done {
  count: number;
  perSecond: number;
  /** Of answers, by their code, and whatever else was counted. */
  figures: Readonly<Record<string, number>>;
  /** By operation. */
  tally?: Tally;
}
