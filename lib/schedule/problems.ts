/** What can be wrong with a request about scheduled mail. */
import { Problem } from "../../runtime/problem.ts";

export const jobNotFound = Problem.kind(404, "job_not_found", "No job has this id");
export const jobIsProcessing = Problem.kind(
  409,
  "job_is_processing",
  "The job's mail is being sent at this moment; try again when it is done",
);
export const jobCannotRun = Problem.kind(422, "job_cannot_run", "The job cannot be sent as it is");
