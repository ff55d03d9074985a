/** What a function file imports: the builders, the one error class, and the types around them. */
export { anyone, type Access, type AccessRequest } from "./access.ts";
export type { Broker, Outcome } from "./broker.ts";
export { checked } from "./checked.ts";
export { from, type Call, type Clock, type Context, type Logger, type Resources } from "./context.ts";
export { EventStream, eventsOf, eventStream, type ServerEvent } from "./events.ts";
export { fileIn, fileOf, FileReply, type FileOptions } from "./files.ts";
export {
  http,
  redirect,
  reply,
  Reply,
  type HttpRequest,
  type LargeStrings,
  type StringSink,
  type UploadedFile,
} from "./http.ts";
export { Problem, problems, type Detail, type ProblemKind } from "./problem.ts";
export { queue } from "./queue.ts";
export { schedule } from "./schedule.ts";
export {
  smtp,
  thisMachine,
  type CertificateFiles,
  type Envelope,
  type Received,
  type SmtpAccess,
  type SmtpRequest,
  type SmtpSession,
} from "./smtp.ts";
export { problemDetails, type Style } from "./style.ts";
