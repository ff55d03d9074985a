import { runStories } from "./queues.fixture.ts";

runStories("pg-boss");
