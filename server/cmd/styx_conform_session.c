/* styx_conform_session.c: version, auth, attach, and fid numbers. */
#include "styx_conform.h"

#include <string.h>

/* ---- version ---- */

static void every_msize(struct cf_run *r) {
  static const uint32_t sizes[] = {256, 257, 300, 1000, 4096, 8192, 65536, 1u << 20, 1u << 24, UINT32_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    styx_msg m = cf_rpc(r, cf_tversion(sizes[i], STYX_VERSION_9P2000));
    bool known = styx_str_is(m.version, STYX_VERSION_9P2000);
    if (!known && (sizes[i] > 8192 || !styx_str_is(m.version, STYX_VERSION_UNKNOWN)))
      cf_fail(r, "version \"%.*s\"; right: 9P2000, or unknown where msize is too small", (int)m.version.len,
              m.version.s);
  }
}

static void small_msize(struct cf_run *r) {
  for (uint32_t msize = 0; msize < 64; msize += 21) {
    styx_msg m, t = cf_tversion(msize, STYX_VERSION_9P2000);
    cf_begin(r, 1, CF_BARE, r->w->user);
    cf_send(r, &t);
    (void)cf_next(r, &m);
    cf_hangup(r, 1);
  }
  cf_alive(r);
}

static void msize_is_kept(struct cf_run *r) {
  if (!styx_str_is(cf_rpc(r, cf_tversion(256, STYX_VERSION_9P2000)).version, STYX_VERSION_9P2000))
    cf_skip(r, "the server wants a larger msize");
  styx_msg t = {.type = STYX_Tattach, .afid = STYX_NOFID, .uname = styx_str_of(r->w->user)};
  t.aname = styx_str_of(r->w->aname);
  (void)cf_ok(r, t);
  (void)cf_ok(r, cf_tfid(STYX_Tstat, 0));
  cf_readable(r, 2);
  (void)cf_ok(r, cf_topen(2, STYX_OREAD));
  (void)cf_rpc(r, cf_tread(2, 0, 1u << 20)); /* that it is no longer than 256 bytes is seen by itself */
  (void)cf_rpc(r, cf_tread(2, 0, UINT32_MAX));
  (void)cf_ok(r, cf_twalk(0, 3, NULL));
  (void)cf_ok(r, cf_topen(3, STYX_OREAD));
  (void)cf_rpc(r, cf_tread(3, 0, 8192));
}

/* ---- fids ---- */

static void unknown_fid(struct cf_run *r) {
  static const uint32_t numbers[] = {77, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, STYX_NOFID};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    uint32_t fid = numbers[i];
    cf_refused(r, cf_twalk(fid, 78, NULL));
    cf_refused(r, cf_twalk(fid, fid, NULL));
    cf_refused(r, cf_topen(fid, STYX_OREAD));
    cf_refused(r, cf_tcreate(fid, "f", 0666, STYX_OREAD));
    cf_refused(r, cf_tread(fid, 0, 10));
    cf_refused(r, cf_twrite(fid, 0, "x", 1));
    cf_refused(r, cf_tfid(STYX_Tclunk, fid));
    cf_refused(r, cf_tfid(STYX_Tremove, fid));
    cf_refused(r, cf_tfid(STYX_Tstat, fid));
    cf_refused(r, cf_twstat(fid, styx_stat_untouched()));
  }
}

static void many_fids(struct cf_run *r) {
  enum { MANY = 500 };
  for (uint32_t i = 0; i < MANY; i++)
    (void)cf_or_skip(r, cf_twalk(0, 1000 + i * 7919, NULL));
  for (uint32_t i = 0; i < MANY; i++)
    (void)cf_ok(r, cf_tfid(STYX_Tstat, 1000 + i * 7919));
  for (uint32_t i = 0; i < MANY; i++)
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 1000 + i * 7919));
  cf_refused(r, cf_tfid(STYX_Tstat, 1000));
}

static const struct cf_check checks[] = {
    {"version-agree", "version(5)", "Tversion is answered under its tag, with an msize that is no larger", CF_BARE,
     "> Tversion tag NOTAG msize 8192 version '9P2000'\n"
     "< Rversion tag NOTAG msize * version '9P2000'",
     NULL},
    {"version-unknown", "version(5)",
     "what is not understood is answered by \"unknown\", never by an error, and may be "
     "followed by another",
     CF_BARE,
     "> Tversion tag NOTAG msize 8192 version 'xyzzy'\n"
     "< Rversion tag NOTAG msize * version 'unknown'\n"
     "> Tversion tag NOTAG msize 8192 version '9P2000'\n"
     "< Rversion tag NOTAG msize * version '9P2000'",
     NULL},
    {"version-suffix", "version(5)", "what follows the first dot may be left out", CF_BARE,
     "> Tversion tag NOTAG msize 8192 version '9P2000.conform'\n"
     "< Rversion tag NOTAG msize * version '9P2000*'",
     NULL},
    {"version-later", "version(5)", "a later version is answered by an earlier one", CF_BARE,
     "> Tversion tag NOTAG msize 8192 version '9P3000'\n"
     "< Rversion tag NOTAG msize * version '9P2000' || Rversion tag NOTAG msize * version 'unknown'",
     NULL},
    {"version-earlier", "version(5)", "a version before 9P2000 is not answered by 9P2000", CF_BARE,
     "> Tversion tag NOTAG msize 8192 version '9P1'\n"
     "< Rversion tag NOTAG msize * version '9P1' || Rversion tag NOTAG msize * version 'unknown'",
     NULL},
    {"version-msize", "version(5)", "msize from 256 up is accepted, or lowered, never raised", CF_BARE, NULL,
     every_msize},
    {"version-msize-small", "version(5)", "an msize under 64 is answered or ends the connection, and harms nobody",
     CF_BARE, NULL, small_msize},
    {"version-msize-kept", "version(5)", "no message is longer than msize, here 256", CF_BARE, NULL, msize_is_kept},
    {"version-first", "version(5)", "a request before Tversion is answered or ends the connection, and harms nobody",
     CF_BARE,
     "> Tstat tag 3 fid 0\n"
     "< Rerror tag 3 * || eof\n"
     "alive",
     NULL},
    {"version-resets-fids", "version(5)", "Tversion clunks every fid", CF_ROOT,
     "! Twalk fid 0 newfid 5 nwname 0\n"
     "> Tversion tag NOTAG msize 8192 version '9P2000'\n"
     "< Rversion tag NOTAG msize * version '9P2000'\n"
     "x Tstat fid 0\n"
     "x Tclunk fid 5",
     NULL},
    {"version-raises-msize", "version(5)", "a later Tversion agrees on msize anew", CF_BARE,
     "> Tversion tag NOTAG msize 1024 version '9P2000'\n"
     "< Rversion tag NOTAG msize * version '9P2000'\n"
     "> Tversion tag NOTAG msize 4096 version '9P2000'\n"
     "< Rversion tag NOTAG msize $larger version '9P2000'\n"
     "> Tversion tag NOTAG msize 1024 version '9P2000'\n"
     "< Rversion tag NOTAG msize $smaller version '9P2000'\n"
     "> Tversion tag NOTAG msize 4096 version '9P2000'\n"
     "< Rversion tag NOTAG msize $larger version '9P2000'",
     NULL},
    {"version-aborts", "version(5)", "nothing that was asked before is answered behind Rversion", CF_ROOT,
     ">+ Tstat tag 5 fid 0\n"
     ">+ Twalk tag 6 fid 0 newfid 6 nwname 0\n"
     "> Tversion tag NOTAG msize 8192 version '9P2000'\n"
     "<? Rstat tag 5 *\n"
     "<? Rwalk tag 6 *\n"
     "<? Rstat tag 5 *\n"
     "< Rversion tag NOTAG msize * version '9P2000'\n"
     "quiet\n"
     "x Tclunk fid 6",
     NULL},
    {"version-unknown-later", "version(5)", "a Tversion that is not understood ends no session", CF_ROOT,
     "> Tversion tag NOTAG msize 8192 version 'xyzzy'\n"
     "< Rversion tag NOTAG msize * version 'unknown'\n"
     "! Tstat fid 0",
     NULL},

    {"auth-answered", "attach(5)", "Tauth is answered by the qid of an authentication file, or refused", CF_VERSION,
     "~ Tauth afid 9 uname 'nobody' aname '' => Rauth qid (* * *A*) || Rerror *", NULL},
    {"auth-nofid", "attach(5)", "NOFID is no afid to be made", CF_VERSION, "x Tauth afid NOFID uname 'nobody' aname ''",
     NULL},
    {"attach-root", "attach(5)", "what is attached is a directory, the one that stat describes", CF_ROOT,
     "! Tstat fid 0 => Rstat stat (type * dev * qid $root *\n"
     "! Twalk fid 0 newfid 1 nwname 1 '..' => Rwalk nwqid 1 (* * d*)",
     NULL},
    {"attach-fid-in-use", "attach(5)", "Tattach of a fid in use is refused, and the fid is what it was", CF_ROOT,
     "! Tstat fid 0 => Rstat stat (type * dev * qid $root *\n"
     "x Tattach fid 0 afid NOFID uname 'nobody' aname ''\n"
     "! Tstat fid 0 => Rstat stat (type * dev * qid $root *",
     NULL},
    {"attach-afid", "attach(5)", "an afid that no Tauth made is refused", CF_VERSION,
     "x Tattach fid 0 afid 77 uname 'nobody' aname ''\n"
     "x Tstat fid 0",
     NULL},
    {"attach-nofid", "attach(5)", "NOFID names no fid", CF_VERSION,
     "x Tattach fid NOFID afid NOFID uname 'nobody' aname ''", NULL},
    {"attach-answered", "attach(5)", "an unknown tree is answered, and the connection lives", CF_ROOT,
     "~ Tattach fid 8 afid NOFID uname 'nobody' aname 'there is no such tree' => Rattach qid * || Rerror *\n"
     "! Tstat fid 0",
     NULL},

    {"fid-unknown", "intro(5)", "every request about a fid that names nothing is refused", CF_ROOT, NULL, unknown_fid},
    {"fid-numbers", "intro(5)", "a fid may be any number but NOFID", CF_ROOT,
     "! Twalk fid 0 newfid 4294967294 nwname 0\n"
     "! Twalk fid 4294967294 newfid 2147483648 nwname 0\n"
     "! Twalk fid 2147483648 newfid 2147483647 nwname 0\n"
     "! Tstat fid 4294967294\n"
     "! Tclunk fid 4294967294\n"
     "! Tstat fid 2147483648\n"
     "! Tstat fid 2147483647",
     NULL},
    {"fid-reuse", "clunk(5)", "the number of a fid that was clunked may be used again", CF_ROOT,
     "! Twalk fid 0 newfid 5 nwname 0\n"
     "! Tclunk fid 5\n"
     "! Twalk fid 0 newfid 5 nwname 0\n"
     "! Tstat fid 5",
     NULL},
    {"fid-many", "intro(5)", "five hundred fids are kept apart", CF_ROOT, NULL, many_fids},
    {"fid-connection", "intro(5)", "a fid means nothing on another connection", CF_ROOT,
     "! Twalk fid 0 newfid 5 nwname 0\n"
     "as 1\n"
     "x Tstat fid 5\n"
     "! Twalk fid 0 newfid 5 nwname 0\n"
     "! Tclunk fid 5\n"
     "as 0\n"
     "! Tstat fid 5",
     NULL},
};
const struct cf_group cf_session = {checks, sizeof checks / sizeof *checks};
