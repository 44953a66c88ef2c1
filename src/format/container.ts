/** The form of every bulk object: what a writer puts and a reader expects. docs/format.md §3.1. */

export const formatVersion = 1;

export const magic = Buffer.from("THINKBK1", "latin1");

export const skippableMagic = 0x184d2a54;

export const skippableHeaderBytes = 8;

export const trailerBytes = 48;
