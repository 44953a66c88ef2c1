/*
 * What a sweep deletes, and the hold of a reader. `npm run model` checks it, and that each planted error (#ifdef) is
 * found. docs/reliability.md says what it covers.
 *
 * One object is replaced by another. A reader that has listed the store before goes on to read the first one. Times
 * are small numbers; only their order matters. A pause is time that passes between two steps of a process.
 */

/* The grace time, how much clocks are allowed to differ by (clockAllowanceMs), and how long a hold lasts. */
#define GRACE 4
#define ALLOWANCE 2
#define HOLD 3
#define TIMES 14
#define NONE 255

byte now;

/* The replacement is there, and the time that stands in it. */
bit isReplaced;
byte published = NONE;
/* The replaced object is gone. */
bit isDeleted;

/* The hold: whether it is there, when it began, and when it lapses. */
bit isHeld;
byte begun;
byte until;
/* The reader reads the replaced object, under a hold that has never lapsed. */
bit reads;

#define IS_LIVE (isHeld && now <= until)

#ifdef HOLDS_IGNORED
#define IS_UNHELD true
#else
#ifdef ALLOWANCE_IGNORED
#define IS_UNHELD (!seesHold || holdBegun > at)
#else
#define IS_UNHELD (!seesHold || holdBegun > at + ALLOWANCE)
#endif
#endif
#ifdef GRACE_IGNORED
#define IS_PAST IS_UNHELD
#else
#define IS_PAST (at + GRACE <= time && IS_UNHELD)
#endif

active proctype Time() {
  do
  :: atomic { now < TIMES ->
    now++;
    /* A reader whose hold has lapsed has no promise any more. */
    if
    :: reads && !IS_LIVE -> reads = 0
    :: else
    fi }
  :: now == TIMES -> break
  od
}

active proctype Fold() {
  byte at;
#ifdef PUBLISHED_LATE
  /* The time is taken, and the put takes as long as it takes. */
  at = now;
  atomic { published = at; isReplaced = 1 }
#else
  /* It appears at the time that stands in it. */
  atomic { published = now; isReplaced = 1 }
#endif
}

active proctype Reader() {
  byte listed, mine;
  /* It lists, and finds no replacement. */
  atomic { !isReplaced -> listed = now };
  mine = now;
  /* It has placed its hold within the grace time, and within the allowance, of its first listing; or it gives up. */
  atomic {
    if
#ifdef HOLD_PLACED_LATE
    :: true ->
#else
    :: now <= listed + ALLOWANCE && now < listed + GRACE ->
#endif
      isHeld = 1;
      begun = mine;
      until = now + HOLD;
      reads = !isDeleted
    :: true -> goto end
    fi
  };
  do
  /* It renews, in time or after a pause. */
  :: atomic { until < now + HOLD -> until = now + HOLD }
  /* It has read what it wanted, and ends the hold. */
  :: atomic { reads = 0; isHeld = 0; break }
  od;
end:
  skip
}

/* A round of maintenance: it looks at the repository, and deletes what a plan says. */
active proctype Sweep() {
  byte at, time;
  bit seesReplacement, seesHold;
  byte holdBegun;
  do
  :: atomic {
    seesReplacement = isReplaced;
    at = published;
#ifdef HOLDS_OF_THE_VIEW
    seesHold = IS_LIVE;
    holdBegun = begun
#endif
    };
    time = now;
#ifndef HOLDS_OF_THE_VIEW
    atomic { seesHold = isHeld && time <= until; holdBegun = begun };
#endif
    if
    :: seesReplacement && IS_PAST ->
      /* It may be paused here. */
      atomic { isDeleted = 1; assert(!(reads && IS_LIVE)); break }
    :: else
    fi;
    atomic { time = 0; at = 0; seesHold = 0; holdBegun = 0; seesReplacement = 0 }
  od
}
