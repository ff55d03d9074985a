import { faultStories } from "./crm-campaign-faults.fixture.ts";

faultStories("aggregate");
