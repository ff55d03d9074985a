import { runStories } from "./queues.fixture.ts";

runStories("RabbitMQ");
