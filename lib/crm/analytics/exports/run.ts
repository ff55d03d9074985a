/** A turn at a report: claim, write, settle. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../../../../runtime/context.ts";
import type { Report } from "../../reports/report.ts";
import { periodOf } from "../period.ts";
import { contentOf } from "./content.ts";
import { fileName, reportFolder, type Format } from "./export.ts";
import * as sql from "./exports.sql.ts";
import type { Turn } from "./exports.sql.ts";

/** Seconds before another turn, by how many there were; after the last one the report has failed. */
const restSeconds = [2, 10, 60, 300];
/** How often the lease is renewed, progress told, and looked whether the process is to stop. */
const beatMs = 2000;

/**
 * Does nothing when another one writes it, or it has ended. May be called any number of times: a report that loses its
 * worker is written anew by another one.
 */
export async function runExport(ctx: Context, id: string): Promise<void> {
  const { rows } = await ctx.db.query<Turn>(sql.beginTurn, [id]);
  const [turn] = rows;
  if (!turn) return;
  if (turn.turn > restSeconds.length + 1) return await giveUp(ctx, turn, null);
  const folder = reportFolder(ctx);
  const file = join(folder, fileName(turn));
  const beat = new Beat(ctx, turn);
  try {
    await mkdir(folder, { recursive: true });
    const period = periodOf(ctx, turn);
    const content = await contentOf({ db: ctx.db, signal: beat.signal }, turn.report_type, period);
    beat.rowsAll = content.rows;
    const bytes = await write(turn.format, content.report, file, beat);
    const { rowCount } = await ctx.db.query(sql.completeTurn, [id, turn.turn, bytes, beat.rowsDone]);
    if (rowCount !== 1) return await discard(ctx, file);
    ctx.log.info({ report: id, bytes, rows: beat.rowsDone }, "a report was written");
  } catch (error) {
    await discard(ctx, file);
    if (beat.isLost) return;
    // Another process goes on, which is no fault of the report's.
    if (ctx.isStopping) return await giveUp(ctx, turn, 0);
    ctx.log.warn({ err: error, report: id }, "a report could not be written");
    await giveUp(ctx, turn, restSeconds[turn.turn - 1] ?? null);
  } finally {
    beat.stop();
  }
}

/** Never fails: what cannot be removed now is cleaned away later. */
async function discard({ log }: Context, file: string): Promise<void> {
  await rm(file, { force: true }).catch((error: unknown) => log.debug({ err: error }, "a report was not removed"));
}

async function write(format: Format, report: Report, file: string, beat: Beat): Promise<number> {
  const options = { signal: beat.signal, progress: (rows: number) => void (beat.rowsDone = rows) };
  // Loaded where it is used: the font alone takes some megabytes.
  if (format === "pdf") return await (await import("../../reports/pdf.ts")).writePdf(report, file, options);
  return await (await import("../../reports/workbook.ts")).writeWorkbook(report, file, options);
}

/** `seconds` until the next turn; null: there is none. */
async function giveUp({ db, log }: Context, { id, turn }: Turn, seconds: number | null): Promise<void> {
  const why = seconds === null ? "The report could not be written, several times" : null;
  if (seconds === null) log.error({ report: id }, "a report was given up");
  await db.query(sql.giveUpTurn, [id, turn, seconds, why]);
}

/** Renews the lease of a turn while it is written. Its signal says that there is no point in going on. */
class Beat {
  rowsDone = 0;
  rowsAll = 0;
  isLost = false;
  readonly signal: AbortSignal;
  readonly #ctx: Context;
  readonly #turn: Turn;
  readonly #ending = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(ctx: Context, turn: Turn) {
    this.#ctx = ctx;
    this.#turn = turn;
    this.signal = AbortSignal.any([ctx.signal, this.#ending.signal]);
    this.#timer = setInterval(() => void this.#renew(), beatMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #renew(): Promise<void> {
    if (this.#ctx.isStopping) return this.#ending.abort(new Error("The process stops"));
    const { id, turn } = this.#turn;
    try {
      const { rowCount } = await this.#ctx.db.query(sql.renewTurn, [id, turn, this.rowsDone, this.rowsAll]);
      if (rowCount === 1) return;
      this.isLost = true;
      this.#ending.abort(new Error("Another one writes the report"));
    } catch (error) {
      this.#ctx.log.debug({ err: error, report: id }, "a lease was not renewed");
    }
  }
}
