/** smtp-server's parser of what a client sends, quick also where many lines of a mail begin with a dot. */
import { SMTPStream } from "smtp-server/lib/smtp-stream.js";

const DOT = 46;
const LF = 10;
const END = Buffer.from("\r\n.\r\n");
/** Of a piece, so many of the last bytes wait for the next one: the end of the data may have begun in them. */
const kept = END.length - 1;

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
    if (this["_atDataStart"] && chunk.subarray(0, 3).equals(END.subarray(2))) {
      return this["_endDataMode"](false, chunk.subarray(3), done);
    }
    // What is left of the two is content, and never the end.
    if (this["_atDataStart"] && chunk[0] === DOT && chunk[1] === DOT) {
      chunk = chunk.subarray(1);
      this["_atDataStart"] = false;
    }

    const pieces: Buffer[] = [];
    let from = 0;
    for (let at = chunk.indexOf(DOT, 2); at >= 0 && at < chunk.length - 2; at = chunk.indexOf(DOT, at + 1)) {
      // Behind a dot that was left out, a line has to begin anew.
      if (at < from + 2 || chunk[at - 1] !== LF) continue;
      if (chunk.subarray(at - 2, at + 3).equals(END)) {
        const rest = joined(pieces, chunk.subarray(from, at));
        this["_countDataBytes"](rest.length);
        return this["_endDataMode"](rest, chunk.subarray(at + 3), done);
      }
      if (chunk[at + 1] !== DOT) continue;
      pieces.push(chunk.subarray(from, at));
      from = at + 1;
    }
    const left = chunk.subarray(from);
    const last = left.subarray(Math.max(0, left.length - kept));
    this["_lastBytes"] = last;
    const content = joined(pieces, left.subarray(0, left.length - last.length));
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

function joined(pieces: readonly Buffer[], last: Buffer): Buffer {
  return pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
}
