/** Every route of the documentation. */
import { Client } from "pg";
import { makePictures } from "../forms.ts";
import { addTwins, failSome } from "../hotel.ts";
import { Connections, type Outcome, type Reply } from "../http.ts";
import type { Known } from "../known.ts";
import { operationsOf, pickerOf, type Operation } from "../operations.ts";
import { Pace } from "../pace.ts";
import { openPeople, type People } from "../people.ts";
import { makeRequest, type Request } from "../requests.ts";
import { Tally } from "../tally.ts";
import type { Done, Trial } from "./door.ts";

const atOnce = 64;
const putRightMs = 2000;

export async function fuzzHttp(trial: Trial): Promise<Done> {
  const { house, known, route, patience, random, limits, findings } = trial;
  const { system, databaseUrl, jwtSecret: secret } = house;
  const { text } = await system.call("/openapi.json");
  const operations = operationsOf(JSON.parse(text));
  const db = new Client({ connectionString: databaseUrl });
  await db.connect();
  const people = await openPeople({ db, known, secret, system });
  const sources = {
    pick: pickerOf(operations.filter(({ name }) => name.includes(route))),
    known,
    people,
    pictures: await makePictures(),
  };
  const connections = new Connections(system.port, patience);
  await addTwins(db);
  await askForLists(operations, trial, people);
  const tally = new Tally();
  let rightUntil = performance.now() + putRightMs;

  const pace = new Pace(`requests of ${operations.length} operations`, limits, trial);
  const done = await pace.run(atOnce, async (index) => {
    const request = makeRequest(sources, random.fork(`request ${index}`));
    // Some are several.
    pace.begun += Math.max(0, request.answers - 1);
    const outcome = await connections.exchange(request.bytes, request.answers);
    for (const { status } of outcome.replies) tally.add(request.operation.name, status);
    if (outcome.replies.length === 0) tally.add(request.operation.name, 0);
    const fault = faultOf(request, outcome);
    if (fault) {
      const said = outcome.replies.map(({ status, text }) => `${request.what} ${status} ${text}`).join(" | ");
      findings.add(fault, request.operation.name, { input: request.bytes, before: outcome.before, said });
    }
    remember(request, outcome, known, index);
    // What was changed about the people who ask is put right: else soon nobody may do anything.
    if (performance.now() < rightUntil) return;
    rightUntil = performance.now() + putRightMs;
    await people.putRight();
    await failSome(db, known);
  });
  connections.close();
  await db.end();
  return { ...done, figures: tally.statuses, tally };
}

/** So that there is something known to begin with. */
async function askForLists(
  operations: readonly Operation[],
  { house: { system }, known, random }: Trial,
  people: People,
): Promise<void> {
  for (let count = 0; count < 5; count++) await system.accept();
  await people.synchronise();
  for (const operation of operations) {
    if (operation.method !== "GET" || operation.path.includes("{")) continue;
    const { header } = people.headerFor(operation, random);
    if (!header) continue;
    const { text } = await system.call(operation.path, { headers: { authorization: header } });
    known.learn(operation.path, text);
  }
}

/** What is wrong with what came back, whatever was sent. */
function faultOf({ answers, isWrong }: Request, outcome: Outcome): string | undefined {
  const { replies, overdue, closed, broken } = outcome;
  if (broken !== undefined) return broken;
  const bad = replies.find(({ status }) => status >= 500 && status !== 503);
  if (bad) return String(bad.status);
  if (overdue) return "no answer";
  if (answers > 0 && closed && replies.length === 0) return "closed without an answer";
  if (isWrong && replies.some(({ status }) => status >= 200 && status < 300))
    return "let in without a token that holds";
  return replies.map(faultOfReply).find((fault) => fault !== undefined);
}

/** Words of our programs, files and database, which nobody outside should read. */
const inside =
  /node_modules|\bat \S+ \(|:\d+:\d+\)|\bviolates \w+|syntax error at|relation "|ECONN|\/(?:lib|runtime|functions)\/[\w/-]+\.ts/;

function faultOfReply({ status, type, text }: Reply): string | undefined {
  if (status >= 400 && inside.test(text)) return "tells of the inside";
  if (!type.endsWith("json") || text === "") return undefined;
  try {
    JSON.parse(text);
    return undefined;
  } catch {
    return "is no JSON";
  }
}

const mostText = 100_000;

/** What was told of is asked for later, what is gone no more. */
function remember({ operation, ids }: Request, { replies }: Outcome, known: Known, index: number): void {
  const [first] = replies;
  if (!first) return;
  const { status, text } = first;
  const isGone = status === 404 || (operation.method === "DELETE" && status < 300);
  if (isGone) for (const { kind, id } of ids) known.forget(kind, id);
  if (operation.name.endsWith("/{id}/send") && status < 300)
    for (const { id } of ids) known.addBriefly("under way", id);
  const isNew = operation.method !== "GET" || /exports|cursor|history/.test(operation.path) || index % 8 === 0;
  if (status < 300 && isNew && text !== "" && text.length < mostText) known.learn(operation.path, text);
}
