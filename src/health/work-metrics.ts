/** Metrics of work that is done again and again, and of alarms. */
import { seconds } from "./capture-metrics.js";
import type { ChannelFacts, Facts, WorkFacts } from "./facts.js";
import type { Family } from "./families.js";

export function workGauges(facts: Facts): Family[] {
  const ofWorks = (read: (work: WorkFacts) => number) => () =>
    [...facts.works].map(([name, work]) => [name, read(work)] as const);
  return [
    {
      name: "thinkback_work_success_timestamp_seconds",
      help: "When work of this process last succeeded.",
      label: "work",
      read: ofWorks(({ succeededAt }) => seconds(succeededAt)),
    },
    {
      name: "thinkback_work_failure_timestamp_seconds",
      help: "When work of this process last failed.",
      label: "work",
      read: ofWorks(({ failedAt }) => seconds(failedAt)),
    },
    {
      name: "thinkback_alarm_delivery_success_timestamp_seconds",
      help: "When alarms were last delivered on a channel.",
      label: "channel",
      read: ofChannels(facts, ({ succeededAt }) => seconds(succeededAt)),
    },
  ];
}

export function workCounters(facts: Facts): Family[] {
  const ofWorks = (read: (work: WorkFacts) => number) => () =>
    [...facts.works].map(([name, work]) => [name, read(work)] as const);
  return [
    {
      name: "thinkback_work_attempts_total",
      help: "How often work of this process ended: maintenance, drills, heartbeats, readings of the repository's status.",
      label: "work",
      read: ofWorks(({ successes, failures }) => successes + failures),
    },
    {
      name: "thinkback_work_failures_total",
      help: "How often it failed.",
      label: "work",
      read: ofWorks(({ failures }) => failures),
    },
    {
      name: "thinkback_alarm_deliveries_total",
      help: "How often it was tried to deliver alarms on a channel.",
      label: "channel",
      read: ofChannels(facts, ({ deliveries }) => deliveries),
    },
    {
      name: "thinkback_alarm_delivery_failures_total",
      help: "How often that failed.",
      label: "channel",
      read: ofChannels(facts, ({ failures }) => failures),
    },
  ];
}

const ofChannels = (facts: Facts, read: (channel: ChannelFacts) => number) => () =>
  [...facts.channels].map(([name, channel]) => [name, read(channel)] as const);
