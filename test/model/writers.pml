/*
 * How one log goes from writer to writer: claims of epochs, what readers believe, and hand-overs without a gap.
 * `npm run model` checks it, and that each planted error (#ifdef) is found. docs/reliability.md says what it covers.
 *
 * A crash is a process that takes no further step, and a pause is one that takes its next step late. Every order of
 * steps is tried, so both happen everywhere. A call to the store that is under way when its process dies is the same
 * as a process that dies after it. Every waiting may also end without success, because its time is over.
 *
 * Where the reply to the put of a segment, wish or answer is lost, the put is repeated and finds its own bytes. That is
 * the same as a put that takes longer, so only the put of a claim is repeated here.
 */

#ifndef WRITERS
#define WRITERS 3
#endif
#ifndef CHANGES
#define CHANGES 2
#endif
#ifndef PROOFS
#define PROOFS 1
#endif
#ifndef SEGMENTS
#define SEGMENTS 2
#endif

/* Each writer claims once. */
#define EPOCHS 3
#define NONE 255

/* The changes of one table: numbered versions of one document. They are applied, and later acknowledged. */
byte applied;
#ifdef PROOF_OF_ACKNOWLEDGED
byte acknowledged;
#define COVERED acknowledged
#else
/* A proof covers what was applied before it began. So it makes no difference when that is acknowledged. */
#define COVERED applied
#endif

/* writers/<epoch>.json. `by` is a writer's number and 1; 0 if there is no claim. `previous` is 0, 0 for none. */
typedef Claim { byte by; byte previousEpoch; byte previousSegment };
Claim claims[EPOCHS + 1];

typedef Segment {
  byte by;
  /* The records of coverage so far say that the table is live. */
  bit live;
  /* The instant of the last proof, and the last version that had to be delivered for it. */
  byte frontier;
  byte proven;
  /* The last version that was appended until the tick was closed. */
  byte version
};

/* What the first segment of an epoch holds, besides what every segment does. */
typedef Log {
  Segment segments[SEGMENTS + 1];
  /* The record `continued`: there is one, and its `since`. */
  bit continued;
  byte since;
  /* For the check alone: what was applied when its feed was opened, and the first version that a reader sees of it. */
  byte opened;
  byte firstSeen
};
Log logs[EPOCHS + 1];

/* handovers/: by writer, the epoch that it wants to go on after, and the instant that the answer names. */
byte wishes[3];
byte answers[3];

/* The claim of c makes that the segment e, s is not believed. */
#ifdef PREVIOUS_IGNORED
#define CUTS(c, e, s) false
#else
#define CUTS(c, e, s) (c > e && claims[c].by != 0 && (claims[c].previousEpoch < e || \
  (claims[c].previousEpoch == e && claims[c].previousSegment < s)))
#endif
#define BELIEVED(e, s) (logs[e].segments[s].by != 0 && !CUTS(2, e, s) && !CUTS(3, e, s))

/* The last claim. */
#define LATEST (claims[3].by != 0 -> 3 : (claims[2].by != 0 -> 2 : 1))

/* The last believed segment of the epochs up to `upTo`, given the claims up to it; 0, 0 if there is none. */
inline findEnd(upTo, ofEpoch, ofSegment) {
  ofEpoch = upTo;
  ofSegment = 0;
  do
  :: ofEpoch > 0 ->
    ofSegment = SEGMENTS;
    do
    :: ofSegment > 0 && (logs[ofEpoch].segments[ofSegment].by == 0 ||
        (upTo >= 2 && CUTS(2, ofEpoch, ofSegment)) || (upTo >= 3 && CUTS(3, ofEpoch, ofSegment))) ->
      ofSegment--
    :: else -> break
    od;
    if
    :: ofSegment > 0 -> break
    :: else -> ofEpoch--
    fi
  :: else -> break
  od
}

hidden byte e1, s1, e2, s2, place, lastPlace, inARow;
hidden byte before[EPOCHS + 1];

/* Judges what is stored, as a reader sees it, after every put that a reader may see. */
inline judge() {
  d_step {
  lastPlace = 0;
  inARow = 0;
  e2 = 0;
  for (e1 : 1 .. EPOCHS) {
    /* How many segments the log had before the epoch, as its writer knew it. */
    before[e1] = (claims[e1].previousEpoch == 0 -> 0 :
      before[claims[e1].previousEpoch] + claims[e1].previousSegment);
    for (s1 : 1 .. SEGMENTS) {
      if
      :: BELIEVED(e1, s1) ->
        /* 1. An epoch has one writer, and of two segments for the same place in the log at most one is believed. */
        assert(logs[e1].segments[s1].by == claims[e1].by);
        place = before[e1] + s1;
        assert(place > lastPlace);
        lastPlace = place;
        if
        /* A record that does not go on from the last proof is not believed. */
        :: s1 == 1 && e2 > 0 && logs[e1].continued && logs[e2].segments[s2].live &&
            logs[e2].segments[s2].frontier == logs[e1].since ->
          inARow++;
          /* 2. Nothing is lost between the two logs: what came before the feed stands in the log before. */
          assert(logs[e1].opened <= logs[e2].segments[s2].version);
          /* No state goes back behind what was proven: a later instant shows no earlier version. */
          assert(logs[e1].firstSeen >= logs[e2].segments[s2].proven)
        :: else
        fi;
        e2 = e1;
        s2 = s1
      :: else
      fi
    }
  }
#ifdef REACHED
  /* Not an error: spin shows that so many hand-overs in a row without a gap are possible at all. */
  assert(inARow < REACHED)
#else
  skip
#endif
  }
}

#ifdef EPOCH_BETWEEN_IGNORED
#define IS_NEXT true
#else
#define IS_NEXT (endEpoch == wished && epoch == wished + 1)
#endif
#ifdef SINCE_NOT_CHECKED
#define IS_AFTER_SINCE true
#else
#define IS_AFTER_SINCE (logs[endEpoch].segments[endSegment].frontier > since)
#endif
#ifdef ANSWERS_AFTER_LAST_PROOF
#define MAY_ANSWER (time == epoch * PROOFS && mark == 0)
#else
#define MAY_ANSWER true
#endif

active proctype Source() {
  do
  :: applied < CHANGES -> applied++
#ifdef PROOF_OF_ACKNOWLEDGED
  :: acknowledged < applied -> acknowledged++
#endif
  :: applied == CHANGES -> break
  od
}

/* What nobody can go on from is not modelled: the writer of the last epoch proves nothing, and puts one segment. */
#define IS_LAST (epoch == WRITERS)
#define LAST_MARK (IS_LAST -> 0 : epoch * PROOFS)
#define LAST_SEGMENT (IS_LAST -> 1 : SEGMENTS)

proctype Writer(byte me) {
  /*
   * `time` is the last instant that was marked. Only marks are told apart, and a log begins after the one before.
   * `version` is the last one that was delivered and appended. Nobody sees it until a tick is closed, so it is chosen
   * then. The same holds for the end of a proof.
   */
  byte epoch, time, segment, version, frontier, proven;
  bit live;
  /* A proof that is under way: its mark, and the version that has to be delivered for it. 0 if there is none. */
  byte mark, needed;
  /* Who is answered, and with what. */
  byte asker = NONE, since = NONE;
  bit answered;
  /* Of a writer that begins after another. */
  bit asks;
  byte wished, opened, endEpoch, endSegment;

  if
  :: me == 0 ->
    /* The first writer has copied the table, and is live. */
    epoch = 1;
    live = 1
  :: else ->
    goto begin
  fi;

capture:
  do
  /* A proof begins. The one before has ended, too late for the last tick. */
  :: atomic { time < LAST_MARK ->
    time++;
    mark = time;
    needed = COVERED }
  /* A tick is closed and put. Its writer may have been shut out: it looks only now and then. */
  :: atomic { segment < LAST_SEGMENT ->
    if
    :: mark > 0 ->
      frontier = mark;
      proven = needed;
      if
      :: version < needed -> version = needed
      :: else
      fi;
      live = 1;
      mark = 0;
      needed = 0
    :: true
    fi;
    do
    :: version < applied -> version++
    :: true -> break
    od;
    segment++;
    if
    :: logs[epoch].segments[segment].by == 0 ->
      logs[epoch].segments[segment].by = me + 1;
      logs[epoch].segments[segment].live = live;
      logs[epoch].segments[segment].frontier = frontier;
      logs[epoch].segments[segment].proven = proven;
      logs[epoch].segments[segment].version = version;
      judge()
    :: else -> break
    fi }
#ifdef SINCE_BEFORE_LOOK
  :: atomic { since == NONE && !answered -> since = time }
  :: atomic { asker == NONE && since != NONE && (wishes[1] == epoch || wishes[2] == epoch) ->
#else
  /* A wish is found, and the answer will name this instant. Proofs and ticks go on meanwhile. */
  :: atomic { asker == NONE && MAY_ANSWER && (wishes[1] == epoch || wishes[2] == epoch) ->
    since = time;
#endif
    if
    :: wishes[1] == epoch -> asker = 1
    :: wishes[2] == epoch -> asker = 2
    fi }
  :: atomic { asker != NONE && !answered -> answered = 1; answers[asker] = since; since = NONE }
  od;
  goto end;

begin:
  atomic {
    wished = LATEST;
    if
    :: asks = 1
    :: asks = 0;
      /* It looks where the log ends, then waits whether the writer before stores anything. */
      findEnd(wished, endEpoch, endSegment);
      opened = (endEpoch == wished -> endSegment : 0)
    fi
  };
  if
  :: asks ->
#ifdef FEEDS_AFTER_WISH
    wishes[me] = wished;
    opened = applied;
#else
    opened = applied;
    wishes[me] = wished;
#endif
    /* It waits for the answer, then until the log is closed. It gives up either at some moment. */
    if
    :: answers[me] != NONE -> since = answers[me]
    :: true
    fi
  :: else
  fi;

claim:
  epoch = LATEST;
  d_step {
    findEnd(epoch, endEpoch, endSegment);
    epoch++
  };
#ifndef LOOKS_ONCE
  if
  :: !asks && (epoch != wished + 1 || (endEpoch == wished -> endSegment : 0) != opened) -> goto end
  :: else
  fi;
#endif
  /* A writer that was not told to take over shuts none out that has stored something meanwhile. */
  assert(asks || (epoch == wished + 1 && (endEpoch == wished -> endSegment : 0) == opened));
put:
  atomic {
    if
    :: epoch > EPOCHS -> goto end
    :: else
    fi;
    if
#ifdef NO_CONDITIONAL_CREATE
    :: true ->
#else
    :: claims[epoch].by == 0 ->
#endif
      claims[epoch].by = me + 1;
      claims[epoch].previousEpoch = endEpoch;
      claims[epoch].previousSegment = endSegment;
      judge();
      if
      :: true
      /* The reply is lost, and the put repeated. */
      :: true -> goto put
      fi
    :: claims[epoch].by == me + 1
    /* Another writer was faster. */
    :: claims[epoch].by != 0 && claims[epoch].by != me + 1 -> goto claim
    fi
  };
  /* Coverage is read after the claim: what the writer before puts from here on is not believed. */
  atomic {
    if
    :: asks && since != NONE && endSegment > 0 && IS_NEXT && IS_AFTER_SINCE &&
        BELIEVED(endEpoch, endSegment) && logs[endEpoch].segments[endSegment].live ->
      /* The table goes on. What was applied by now has to be delivered first. */
      live = 1;
      frontier = logs[endEpoch].segments[endSegment].frontier;
      proven = logs[endEpoch].segments[endSegment].proven;
      version = opened;
      needed = applied
    :: else ->
      /* A gap: a feed is opened anew, and the table is live again once a resync is proven. */
      live = 0;
      version = applied
    fi;
    time = (epoch - 1) * PROOFS;
    wished = 0;
    since = NONE
  };
  if
  :: live ->
    atomic {
#ifndef APPENDS_UNPROVEN
      version = (version < needed -> needed : version);
#endif
      do
      :: version < applied -> version++
      :: true -> break
      od;
      needed = 0
    };
    atomic {
      /* What has come until now is appended with one time, so a reader sees only the last of it. */
      logs[epoch].continued = 1;
      logs[epoch].since = frontier;
      logs[epoch].opened = opened;
      logs[epoch].firstSeen = (version > opened -> version : opened + 1)
    }
  :: else
  fi;
  atomic { opened = 0; endEpoch = 0; endSegment = 0; asks = 0 };
  goto capture;
end:
  skip
}

init {
  atomic {
    claims[1].by = 1;
    answers[1] = NONE;
    answers[2] = NONE;
    run Writer(0);
    run Writer(1);
#if WRITERS > 2
    run Writer(2)
#endif
  }
}
