/** smtp-server's parser of what a client sends, quick also where many lines of a mail begin with a dot. */
import { SMTPStream } from "smtp-server/lib/smtp-stream.js";

const DOT = 46;
const CR = 13;
const LF = 10;
/** Of a piece, so many of the last bytes wait for the next one: the end of the data may have begun in them. */
const kept = 4;

/**
 * As smtp-server's own, which takes a turn of the event loop for each dot that the client doubled: where a hundred
 * talk, a mail of ten thousand such lines takes a minute. Here a piece is one turn, and goes on as one piece.
 */
export class Parser extends SMTPStream {
  override ["_feedDataStream"](...[given, done]: Parameters<SMTPStream["_feedDataStream"]>): void {
    const stream = this["_dataStream"];
    if (!stream) return done();
    const before = this["_lastBytes"];
    let chunk = before && before.length > 0 ? Buffer.concat([before, given]) : given;
    this["_lastBytes"] = false;
    if (this["_atDataStart"] && chunk[0] === DOT && chunk[1] === CR && chunk[2] === LF) {
      return this["_endDataMode"](false, chunk.subarray(3), done);
    }
    // What is left of the two is content, and never the end.
    if (this["_atDataStart"] && chunk[0] === DOT && chunk[1] === DOT) {
      chunk = chunk.subarray(1);
      this["_atDataStart"] = false;
    }

    // Copied only where a dot is left out; an object for each line would be as much memory again as the mail, and more.
    let out: Buffer | undefined;
    let written = 0;
    let from = 0;
    const contentUntil = (end: number): Buffer => {
      if (!out) return chunk.subarray(from, end);
      written += chunk.copy(out, written, from, end);
      return out.subarray(0, written);
    };
    for (let at = chunk.indexOf(DOT, 2); at >= 0 && at < chunk.length - 2; at = chunk.indexOf(DOT, at + 1)) {
      // Behind a dot that was left out, a line has to begin anew.
      if (at < from + 2 || chunk[at - 1] !== LF) continue;
      if (chunk[at - 2] === CR && chunk[at + 1] === CR && chunk[at + 2] === LF) {
        const content = contentUntil(at);
        this["_countDataBytes"](content.length);
        return this["_endDataMode"](content, chunk.subarray(at + 3), done);
      }
      if (chunk[at + 1] !== DOT) continue;
      out ??= Buffer.allocUnsafe(chunk.length);
      written += chunk.copy(out, written, from, at);
      from = at + 1;
    }
    const end = Math.max(from, chunk.length - kept);
    this["_lastBytes"] = chunk.subarray(end);
    const content = contentUntil(end);
    this["_countDataBytes"](content.length);
    if (content.length === 0 || !stream.writable || stream.write(content) || stream.destroyed) return done();
    // One that is destroyed never drains.
    const goOn = () => {
      stream.off("drain", goOn).off("close", goOn);
      done();
    };
    stream.on("drain", goOn).on("close", goOn);
  }
}
