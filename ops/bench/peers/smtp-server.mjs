// The ceiling of SMTP in Node: smtp-server, the project's own copy, that takes every mail and stores none. By itself it has
// each client wait 100 ms for its greeting, to catch those that do not: so it is here.
import { createRequire } from "node:module";

const { SMTPServer } = createRequire(new URL("../../../package.json", import.meta.url))("smtp-server");

const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ["AUTH", "STARTTLS"],
  disableReverseLookup: true,
  onData(stream, _session, callback) {
    stream.once("end", callback).resume();
  },
});
server.listen(Number(process.env.PORT), "127.0.0.1");
