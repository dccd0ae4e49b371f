/* flush.pml: the flush law and the send token, for spin. test/model/README.md says what is modelled and what was proved.
 *
 * One connection: a client, the reader, two workers, the reply thread. A region under the session's lock that meets at most
 * one atomic word which others change at the time is one d_step, and so is each atomic instruction elsewhere; between any
 * two of them anything may happen.
 *
 *   bounds     NREQ requests, NFLUSH Tflushes, NVERSION Tversions (0 or 1), NTAG tags, SOCK replies that the socket holds
 *   features   DETACHABLE, MUSTRUN, HOLDER: kinds of requests beside plain ones; HANGUP: the client may go at any time;
 *              NOMEM: there may be no memory to record a Tflush
 *   LIVE       for the claim "answered" at the end, instead of the check of states in which nothing moves
 *   MUT_...    one fault; test/model/run shows that each is found
 */
#ifndef NREQ
#define NREQ 2
#endif
#ifndef NFLUSH
#define NFLUSH 2
#endif
#ifndef NVERSION
#define NVERSION 0
#endif
#ifndef NTAG
#define NTAG 3
#endif
#ifndef SOCK
#define SOCK 1
#endif

#define N (NREQ + NFLUSH)

/* ---- messages: numbered as they are sent. The number stands for the server's object too, so that the observer knows which
 * message a reply is for, whatever tag it carries. 0: none, in every variable that holds a number: it is number + 1 then. ---- */

#define PLAIN 1
#define DETACH 2 /* effect-free: may be left behind while it runs */
#define HOLD 3   /* holds its fid until it retires; so does MUST */
#define MUST 4   /* Tclunk, Tremove: runs even if flushed */
#define FLUSH 5
#define LOST 6 /* a Tflush for which there will be no memory */

byte kind[N];
byte tag[N];
byte old[N]; /* of a Tflush */

#define VERSION 15 /* in place of a number */

chan in = [1] of { byte }; /* the socket, to the server */

/* ---- the session: lib/session ---- */

/* the request word */
#define NONE 0
#define PARKED 1
#define QUEUED 2
#define RUNNING 3
#define ANSWERED 4
#define CANCELLED 5 /* retired; its work item still stands in the queue */
#define DETACHED 6  /* retired; its handler still runs */
#define LATE 7      /* retired; and now the handler has answered */

#define OUTSTANDING(r) (word[r] >= PARKED && word[r] <= ANSWERED)

/* who has told a running handler that it is cancelled */
#define ASKED 1 /* a chore for the reply thread */
#define TAKEN 2 /* the reply thread has it in its hands */
#define TOLD 3

byte word[N];
byte told[N];
bool real[N]; /* the answer: success or a real error; else it is "interrupted" */
byte victim[N]; /* of a Tflush that waits, bound when it was read. Waiting Tflushes in the order of arrival: by number */
byte table[NTAG];
byte holder;          /* of the one fid; who waits for it: PARKED, in the order of arrival */
bool resetting, ended, hungup;

chan queue = [NREQ] of { byte };     /* the worker queue */
chan posts = [2 * NREQ] of { byte }; /* answers; a stack that retire takes whole and turns round */

/* what the server sends */
#define REPLY 0
#define RFLUSH 1
#define RVERSION 2

chan out = [2 * N + 1] of { byte, byte, byte }; /* the outbox: what, tag, message */
chan sock = [SOCK] of { byte, byte, byte };

/* ---- the connection: server/ ---- */

#define IDLE 0
#define WRITING 1
#define DIRTY 2
#define BLOCKED 3

byte token;
bool listed; /* for the reply thread */
bool choked, armed, leaving;
bool gone; /* the client has hung up */

byte stuck; /* a handler that waits to be told */
bool busy;  /* the first worker; the second takes work only then: they are alike */

/* ---- the client's view, for the observer ---- */

byte own[NTAG]; /* what is outstanding under each tag */
byte root[N];   /* of a Tflush: what it flushes in the end, through other Tflushes */
byte watched;   /* LIVE: a Tflush that waits */
bool watching;

#define NOTHING_KEPT true
#ifdef MUT_BIND_LATE
chan unbound = [NFLUSH] of { byte };
#undef NOTHING_KEPT
#define NOTHING_KEPT (len(unbound) == 0)
#endif
#ifdef MUT_CLEAR_TAG_LATE
chan uncleared = [2 * N] of { byte };
#endif
#ifdef MUT_TWO_STEPS
byte unflushed; /* retired, its Rflushes are not yet in the outbox */
#undef NOTHING_KEPT
#define NOTHING_KEPT (unflushed == 0)
#endif

hidden byte h_f, h_g, h_r, h_v, h_w; /* scratch: only inside one d_step */
hidden byte h_any, h_news;

/* ---- lib/session/fids.c: one fid ---- */

inline enqueue(r) {
  word[r] = QUEUED;
  queue!r
}

inline grant() {
  h_g = 0;
  do
  :: h_g < N && holder == 0 ->
     if
     :: word[h_g] == PARKED ->
        if
        :: kind[h_g] == HOLD || kind[h_g] == MUST -> holder = h_g + 1
        :: else
        fi;
        enqueue(h_g)
     :: else
     fi;
     h_g++
  :: else -> break
  od
}

/* ---- lib/session/retire.c ---- */

#define SILENT (resetting || hungup)

/* Is a Tflush bound to r? */
inline find_flush(r) {
  h_any = false;
  h_f = 0;
  do
  :: h_f < N -> h_any = h_any || victim[h_f] == r + 1; h_f++
  :: else -> break
  od
}

inline answer_flush(f) {
  victim[f] = 0;
  table[tag[f]] = 0;
  if
  :: !SILENT -> out!RFLUSH, tag[f], f
  :: else
  fi
}

inline answer_flushes(r) {
#ifdef MUT_FLUSH_ORDER
  h_f = N;
  do
  :: h_f > 0 ->
     h_f--;
     if
     :: victim[h_f] == r + 1 -> answer_flush(h_f)
     :: else
     fi
#else
  h_f = 0;
  do
  :: h_f < N ->
     if
     :: victim[h_f] == r + 1 -> answer_flush(h_f)
     :: else
     fi;
     h_f++
#endif
  :: else -> break
  od
}

#ifdef MUT_DROP_UNFLUSHED
#define MAY_BE_SILENT true
#else
#define MAY_BE_SILENT h_any
#endif
#ifdef MUT_SWALLOW_REAL
#define KEEPS_SILENT (h_any && kind[r] != MUST)
#else
#define KEEPS_SILENT (!real[r] && MAY_BE_SILENT && kind[r] != MUST)
#endif

/* sx_finish: one step. What is left of r: next. */
inline finish(r, next) {
  assert(kind[r] != MUST || word[r] == ANSWERED); /* F18: it has run */
#ifdef MUT_CLEAR_TAG_LATE
  uncleared!tag[r];
#else
  table[tag[r]] = 0;
#endif
  find_flush(r);
#ifdef MUT_ACK_BEFORE_REPLY
  h_news = h_any;
  answer_flushes(r);
  h_any = h_news;
#endif
  if
  :: SILENT -> real[r] = false
  :: else ->
     if
     :: KEEPS_SILENT
     :: else -> out!REPLY, tag[r], r; real[r] = false
     fi
  fi;
#ifdef MUT_TWO_STEPS
  unflushed = r + 1;
  h_news = true;
#else
  answer_flushes(r);
#endif
  word[r] = next;
  if
  :: holder == r + 1 -> holder = 0; grant()
  :: else
  fi
}

/* sx_continue: Rversion, when the old session is over. */
inline go_on() {
  h_any = false;
  h_r = 0;
  do
  :: h_r < N -> h_any = h_any || OUTSTANDING(h_r); h_r++
  :: else -> break
  od;
#ifdef MUT_VERSION_EARLY
  h_any = false;
#endif
  if
  :: resetting && !hungup && !h_any -> resetting = false; out!RVERSION, 0, VERSION
  :: else
  fi
}

inline retire_one(r) {
  if
  :: word[r] == LATE ->
#ifdef MUT_DETACH_LATE_REPLY
     real[r] = true;
     finish(r, NONE)
#else
     word[r] = NONE /* dropped: what it made is released */
#endif
  :: else -> finish(r, NONE)
  fi;
  if
  :: told[r] == TOLD -> told[r] = 0
  :: else
  fi
}

/* ---- lib/session/flush.c ---- */

/* sx_cancel of what need not run. h_news: a chore was made, for which the reply thread is to be kicked. */
inline cancel(r) {
  h_w = RUNNING;
  if
  :: word[r] == PARKED -> h_w = NONE
  :: word[r] == QUEUED -> h_w = CANCELLED
  :: word[r] == RUNNING ->
     if
     :: told[r] == 0 -> told[r] = ASKED; h_news = true
     :: else
     fi;
     if
     :: kind[r] == DETACH -> h_w = DETACHED
     :: else
     fi
  :: else
  fi;
  if
  :: h_w != RUNNING -> finish(r, h_w)
  :: else
  fi
}

/* A must-run request waits: who stands before it is cancelled, the holder last. */
inline clear_the_way(r) {
#ifdef MUT_WAY_NOT_CLEARED
  skip
#else
  h_r = 0;
  do
  :: h_r < r ->
     if
     :: word[h_r] == PARKED && kind[h_r] != MUST -> cancel(h_r)
     :: else
     fi;
     h_r++
  :: else -> break
  od;
  h_r = holder - 1;
  if
  :: kind[h_r] != MUST -> cancel(h_r)
  :: else
  fi
#endif
}

#ifdef MUT_MUST_RUN_CANCELLED
#define IS_MUST(r) false
#else
#define IS_MUST(r) (kind[r] == MUST)
#endif

inline bind_and_cancel(m) {
  victim[m] = h_v + 1;
  table[tag[m]] = m + 1;
  if
  :: IS_MUST(h_v) ->
     if
     :: word[h_v] == PARKED -> clear_the_way(h_v)
     :: else
     fi
  :: else -> h_r = h_v; cancel(h_r)
  fi
}

inline take_flush(m) {
  h_v = table[old[m]];
  old[m] = 0;
#ifndef MUT_FLUSH_OF_FLUSH
  if
  :: h_v != 0 && kind[h_v - 1] >= FLUSH -> h_v = victim[h_v - 1]
  :: else
  fi;
#endif
  if
  :: h_v == 0 -> out!RFLUSH, tag[m], m
#ifdef MUT_NOMEM_ANSWERED
  :: h_v != 0 && kind[m] == LOST -> out!RFLUSH, tag[m], m
#else
  :: h_v != 0 && kind[m] == LOST -> ended = true
#endif
  :: else -> h_v--; bind_and_cancel(m)
  fi
}

/* Hangup or Tversion: all Tflushes that wait are forgotten; who calls this cancels the requests then, one after another. */
inline drop_flushes() {
  h_f = 0;
  do
  :: h_f < N ->
     if
     :: victim[h_f] != 0 -> victim[h_f] = 0; table[tag[h_f]] = 0
     :: else
     fi;
     h_f++
  :: else -> break
  od
}

inline abort_one(r) {
  h_news = false;
  if
  :: OUTSTANDING(r) && kind[r] != MUST -> h_r = r; cancel(h_r)
  :: else
  fi
}

/* ---- lib/session/intake.c ---- */

inline take_request(m) {
  assert(table[tag[m]] == 0); /* nobody whose tag is free for him is refused */
  table[tag[m]] = m + 1;
  if
  :: holder != 0 -> word[m] = PARKED
  :: else ->
     if
     :: kind[m] == HOLD || kind[m] == MUST -> holder = m + 1
     :: else
     fi;
     enqueue(m)
  fi
}

/* ---- server/send.c: the token ---- */

/* Kick, then do what is given, which is local. Taking the token and listing the connection are two steps. */
#ifdef MUT_BLOCKED_LOST
#define FREE (token == IDLE)
#else
#define FREE (token == IDLE || token == BLOCKED)
#endif
#define KICK(then) \
  if \
  :: d_step { FREE -> token = WRITING }; d_step { assert(!listed); listed = true; then } \
  :: d_step { !FREE -> token = DIRTY; then } \
  fi

/* ---- lib/session/replies.c: whose answer counts; one that was left behind may still post, to be dropped ---- */

#ifdef MUT_TWO_ANSWERS
#define CLAIMABLE(r) (word[r] != NONE)
#else
#define CLAIMABLE(r) (word[r] == RUNNING)
#endif

/* ---- processes ---- */

active proctype reader() {
  byte m, i;
  bool news;
  do
  :: d_step {
       !leaving && !ended && len(in) > 0 && !in?[VERSION] -> in?m;
       h_news = false;
       if
       :: kind[m] < FLUSH -> take_request(m)
#ifdef MUT_BIND_LATE
       :: else -> unbound!m; h_news = true
#else
       :: else -> take_flush(m)
#endif
       fi;
#ifdef MUT_NOT_TOLD
       h_news = false;
#endif
       news = news || h_news || len(out) > 0 || ended;
       m = 0
     }
#if NVERSION > 0
  :: d_step {
       !leaving && !ended && in?[VERSION] -> in?m;
       drop_flushes();
       m = 0;
       resetting = true
     };
     do
     :: d_step { i < N -> abort_one(i); news = news || h_news; i++ }
     :: d_step { i == N -> i = 0; go_on(); news = news || len(out) > 0 }; break
     od
#endif
  :: news -> KICK(news = false) /* not after each message: many may have come at once */
  :: d_step { gone && !news -> leaving = true }; KICK(skip); break
  :: leaving && !news -> break
  od
}

#define REST r = 0; busy = busy && _pid != 1

active [2] proctype worker() {
  byte r;
again:
  do
  :: atomic {
       len(queue) > 0 && (_pid == 1 || busy) -> queue?r;
       busy = busy || _pid == 1;
#ifdef MUT_CLAIM_NO_CAS
       if
       :: word[r] == QUEUED
       :: else -> word[r] = NONE; REST; goto again
       fi
     };
     atomic {
       word[r] = RUNNING;
#else
       if
       :: word[r] == QUEUED -> word[r] = RUNNING
       :: else -> word[r] = NONE; REST; goto again /* a tombstone */
       fi;
#endif
       if
       :: stuck == 0 && kind[r] != MUST -> stuck = r + 1 /* this handler will wait to be told */
       :: true
       fi
     };
     atomic {
       stuck != r + 1;
       if
       :: CLAIMABLE(r) -> word[r] = ANSWERED;
          if
          :: real[r] = true
          :: real[r] = false
          fi
       :: word[r] == DETACHED -> word[r] = LATE
       :: else -> REST; goto again
       fi
     };
     atomic { /* sx_post: who finds the stack empty kicks */
       posts!r;
       if
       :: len(posts) > 1 -> REST; goto again
       :: else
       fi
     };
     KICK(REST)
  od
}

/* The next one in the reply thread's hands, from i. */
inline next_taken() {
  do
  :: i < N && told[i] != TAKEN -> i++
  :: else -> break
  od;
  h_f = 0 /* a d_step may not end in a jump */
}

inline drop_out() {
  do
  :: len(out) > 0 -> out?h_f, h_f, h_f
  :: else -> break
  od
}

#ifdef MUT_ROUND_LOST
#define KICK_SELF skip
#else
#define KICK_SELF assert(!FREE); token = DIRTY
#endif

#ifdef MUT_ROUND_EMPTY
#define ROUND_MAY_END true
#else
#define ROUND_MAY_END some
#endif

#define SAID_ALL (ended && !leaving && (choked || len(out) == 0)) /* the session has ended by itself */
#define CAN_SEND (!leaving && !choked && len(out) > 0)

active proctype reply() {
  byte i;
  bool some; /* has been sent in this round */
  do
  :: atomic {
       listed -> listed = false;
       if
       :: leaving && !hungup -> d_step { drop_flushes(); drop_out(); hungup = true };
#ifdef MUT_HANGUP_NOT_TOLD
          goto retire
#endif
       :: else -> goto retire
       fi
     };
     do
     :: d_step { i < N -> abort_one(i); i++ }
     :: i == N -> i = 0; break
     od;
retire:
     do
     :: d_step {
          len(posts) > 0 ->
          do
          :: len(posts) > 0 -> posts?h_v; retire_one(h_v)
          :: else -> break
          od;
          go_on()
        }
#ifdef MUT_TWO_STEPS
     :: d_step { unflushed != 0 -> h_r = unflushed - 1; answer_flushes(h_r); unflushed = 0 }
#endif
#ifdef MUT_BIND_LATE
     :: d_step { len(unbound) > 0 -> unbound?i; take_flush(i); i = 0 }
#endif
     :: atomic {
          len(posts) == 0 && NOTHING_KEPT;
          d_step {
            do
            :: i < N -> told[i] = (told[i] == ASKED -> TAKEN : told[i]); i++
            :: else -> break
            od;
            i = 0;
            next_taken()
          };
          if
          :: i < N -> break
          :: else -> i = 0; goto send
          fi
        }
     od;

     /* chores: cancel callbacks. A callback may answer. */
     do
     :: atomic {
          i < N;
          d_step {
            stuck = (stuck == i + 1 -> 0 : stuck);
            told[i] = (word[i] == RUNNING || word[i] == DETACHED || word[i] == ANSWERED || word[i] == LATE -> TOLD : 0)
          };
          if
          :: told[i] == TOLD && CLAIMABLE(i) -> word[i] = ANSWERED; real[i] = false
          :: told[i] == TOLD && word[i] == DETACHED -> word[i] = LATE
          :: true -> d_step { next_taken() }; goto next
          fi
        };
        atomic {
          posts!i;
          if
          :: len(posts) > 1 -> d_step { next_taken() }; goto next
          :: else
          fi
        };
        KICK(next_taken());
next:   skip
     :: i == N -> i = 0; break
     od;

     /* send, then settle: what settle finds beyond what send saw might as well have come before, at the end of a round */
send:
     do
     :: d_step {
          CAN_SEND && !gone ->
          if
          :: len(sock) == SOCK -> choked = true; armed = true
          :: else ->
             do
             :: len(out) > 0 && len(sock) < SOCK -> out?h_f, h_g, h_r; sock!h_f, h_g, h_r
             :: else -> break
             od;
             some = true
          fi
        }
     :: d_step { CAN_SEND && gone -> leaving = true; KICK_SELF; some = false }; break
     :: d_step { CAN_SEND && !gone && ROUND_MAY_END -> KICK_SELF; some = false }; break /* enough for this round */
     :: d_step { !CAN_SEND && leaving && !hungup -> KICK_SELF; some = false }; break
     :: d_step { !CAN_SEND && SAID_ALL -> leaving = true; KICK_SELF; some = false }; break
     :: d_step { !CAN_SEND && (!leaving || hungup) && !SAID_ALL -> some = false }; break
     od;
#ifdef MUT_CLEAR_TAG_LATE
     do
     :: d_step { len(uncleared) > 0 -> uncleared?h_f; table[h_f] = 0 }
     :: len(uncleared) == 0 -> break
     od;
#endif

     /* release */
#ifdef MUT_LOST_DIRTY
     token = (choked -> BLOCKED : IDLE)
#else
     if
     :: d_step { token == WRITING -> token = (choked -> BLOCKED : IDLE) }
     :: d_step { token == DIRTY -> token = WRITING }; d_step { assert(!listed); listed = true }
     fi
#endif

  :: d_step { armed && (len(sock) < SOCK || gone) -> armed = false; choked = false };
#ifndef MUT_DRAINED_LOST
     KICK(skip)
#endif
  od
}

/* ---- the client, and the observer at its side of the wire ---- */

inline forget(m) {
  real[m] = false;
  kind[m] = 0;
  tag[m] = 0;
  old[m] = 0;
  root[m] = 0
}

#define MAY(t) (own[t] == 0 && (t == 0 || t <= fresh)) /* of those never used the lowest: they are alike */
#if NTAG == 3
#define ANY(what) (what(0) || what(1) || what(2))
#else
#define ANY(what) (what(0) || what(1))
#endif
#define HAS(t) (own[t] != 0)

inline pick_tag() {
  if
  :: MAY(0) -> t = 0
  :: MAY(1) -> t = 1
#if NTAG == 3
  :: MAY(2) -> t = 2
#endif
  fi
}

inline send(m) {
  tag[m] = t;
  own[t] = m + 1;
  fresh = (t == fresh && fresh < NTAG - 1 -> fresh + 1 : fresh);
  in!m;
  t = 0;
  n++
}

/* F5, F6 (and F4): a reply is for what the client has outstanding under that tag. It frees the tag at once, even if a Tflush
 * of it is outstanding: then a reply that comes once more, or behind Rflush, meets no request, or another one. */
inline see_reply() {
  assert(own[t] == m + 1 && kind[m] < FLUSH);
  own[t] = 0;
  forget(m)
}

inline see_rflush() {
  assert(own[t] == m + 1 && kind[m] >= FLUSH);
  h_f = 0;
  do
  :: h_f < m ->
     assert(!(kind[h_f] >= FLUSH && root[h_f] == root[m])); /* F10: earlier ones were answered earlier */
     h_f++
  :: else -> break
  od;
  own[t] = 0;
  /* F11, F8: if the request is still outstanding no reply will come, so nothing has happened. */
  h_f = 0;
  do
  :: h_f < NTAG ->
     if
     :: own[h_f] == root[m] && root[m] != m + 1 ->
        h_r = root[m] - 1;
        assert(kind[h_r] != MUST && (!real[h_r] || kind[h_r] == DETACH));
        own[h_f] = 0;
        forget(h_r)
     :: else
     fi;
     h_f++
  :: else -> break
  od;
  watched = (watched == m + 1 -> 0 : watched);
  forget(m)
}

/* F16: everything older is forgotten; a reply to it meets nothing from here on. */
inline see_rversion() {
  assert(waits);
  waits = false;
  h_f = 0;
  do
  :: h_f < NTAG -> own[h_f] = 0; h_f++
  :: else -> break
  od;
  h_r = 0;
  do
  :: h_r < n -> forget(h_r); h_r++
  :: else -> break
  od;
  watched = 0
}

/* Nothing moves any more: whatever was sent has been answered, save what nobody has flushed and whose handler waits to be
 * told, and what waits for its fid. */
inline see_rest() {
  h_f = 0;
  do
  :: h_f < NTAG ->
     if
     :: own[h_f] != 0 && !closed ->
        h_r = own[h_f] - 1;
        assert(kind[h_r] < FLUSH);
        assert(stuck == h_r + 1 || (word[h_r] == PARKED && holder == stuck));
     :: else
     fi;
     h_f++
  :: else -> break
  od;
  h_r = 0;
  do
  :: h_r < N -> assert(!closed || !OUTSTANDING(h_r)); h_r++ /* F17 */
  :: else -> break
  od;
  assert(!waits)
}

/* The connection is over, and all that the client knew of it. */
inline go_away() {
  gone = true;
  closed = true;
  waits = false;
  watched = 0;
  n = 0;
  nreq = NREQ;
  fresh = 0;
  do
  :: len(in) > 0 -> in?h_f
  :: else -> break
  od;
  do
  :: len(sock) > 0 -> sock?h_f, h_f, h_f
  :: else -> break
  od;
  h_f = 0;
  do
  :: h_f < NTAG -> own[h_f] = 0; h_f++
  :: else -> break
  od;
  h_f = 0;
  do
  :: h_f < N -> root[h_f] = 0; h_f++
  :: else -> break
  od;
  h_f = 0
}

active proctype client() {
  byte n, nreq, fresh; /* sent; tags that were used */
  byte what, t, m;
  bool waits, closed; /* for Rversion; the connection is over */
#if NVERSION > 0
  bool versioned;
#endif
  do
  :: atomic {
       !waits && len(in) == 0 && nreq < NREQ && ANY(MAY) ->
       pick_tag();
       if
       :: kind[n] = PLAIN
#ifdef DETACHABLE
       :: kind[n] = DETACH
#endif
#ifdef HOLDER
       :: kind[n] = HOLD
#endif
#ifdef MUSTRUN
       :: kind[n] = MUST
#endif
       fi;
       nreq++;
       send(n)
     }
  :: atomic {
       !waits && len(in) == 0 && n - nreq < NFLUSH && ANY(HAS) && ANY(MAY) ->
       pick_tag();
       if
       :: HAS(0) -> old[n] = 0
       :: HAS(1) -> old[n] = 1
#if NTAG == 3
       :: HAS(2) -> old[n] = 2
#endif
       :: old[n] = t /* itself */
       fi;
       if
       :: kind[n] = FLUSH
#ifdef NOMEM
       :: kind[n] = LOST
#endif
       fi;
       d_step {
         m = own[old[n]];
         root[n] = (m == 0 -> n + 1 : m);
         if
         :: m != 0 && kind[m - 1] >= FLUSH -> root[n] = root[m - 1]
         :: else
         fi;
         m = 0
       };
#ifdef LIVE
       if
       :: !watching -> watching = true; watched = n + 1
       :: true
       fi;
#endif
       send(n)
     }
#if NVERSION > 0
  :: d_step { !waits && !versioned && len(in) == 0 && n > 0 -> in!VERSION; waits = true; versioned = true }
#endif
  :: d_step {
       sock?what, t, m;
       if
       :: what == REPLY -> see_reply()
       :: what == RFLUSH -> see_rflush()
       :: else -> see_rversion()
       fi;
       what = 0;
       t = 0;
       m = 0
     }
#ifdef HANGUP
  :: d_step { go_away() }; break
#endif
#ifdef NOMEM
  :: d_step { hungup && len(sock) == 0 -> go_away() }; break
#endif
#ifndef LIVE
  :: timeout -> break
#endif
  od;
#ifndef LIVE
  timeout -> d_step { see_rest() }
#endif
}

#ifdef LIVE
ltl answered { !(<>[] (watched != 0)) }
#endif
