/** The servers that the cluster of a simulation begins with; clients are connected to the first. */
export const firstServers = ["simulated_1", "simulated_2", "simulated_3"];
export const otherServers = firstServers.slice(1);
