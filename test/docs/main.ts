/** Writes the parts of the documents that are made of the code. */
import { writePages } from "./generated.js";

await writePages();
