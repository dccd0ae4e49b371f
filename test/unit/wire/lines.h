/* lines.h: every message of every dialect, and the line that it prints as. */
#ifndef TEST_WIRE_LINES_H
#define TEST_WIRE_LINES_H

#include <styx/wire.h>

enum {
  IN_9P2000 = 1 << STYX_9P2000,
  IN_U = 1 << STYX_9P2000_U,
  IN_L = 1 << STYX_9P2000_L,
  ALL = IN_9P2000 | IN_U | IN_L
};

#define S(literal) STYX_STR(literal)

static const struct {
  unsigned dialects; /* in which the line holds, if they have the message */
  const char *text;
  styx_msg msg;
} lines[] = {
    {ALL,
     "Tversion tag NOTAG msize 8192 version '9P2000'",
     {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = 8192, .version = S("9P2000")}},
    {ALL, "Rversion tag 0 msize 4294967295 version ''", {.type = STYX_Rversion, .msize = 0xFFFFFFFF}},
    {IN_9P2000,
     "Tauth tag 1 afid 2 uname 'bob' aname ''",
     {.type = STYX_Tauth, .tag = 1, .afid = 2, .uname = S("bob")}},
    {ALL, "Rauth tag 1 qid (0x5 4 A)", {.type = STYX_Rauth, .tag = 1, .qid = {STYX_QTAUTH, 4, 5}}},
    {IN_9P2000,
     "Tattach tag 1 fid 0 afid NOFID uname 'bob' aname 'x'",
     {.type = STYX_Tattach, .tag = 1, .afid = STYX_NOFID, .uname = S("bob"), .aname = S("x")}},
    {ALL,
     "Rattach tag 1 qid (0xffffffffffffffff 4294967295 dalmAtLh)",
     {.type = STYX_Rattach, .tag = 1, .qid = {0xFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF}}},
    {IN_9P2000, "Rerror tag 1 ename 'bad fid'", {.type = STYX_Rerror, .tag = 1, .ename = S("bad fid")}},
    {ALL, "Tflush tag 2 oldtag NOTAG", {.type = STYX_Tflush, .tag = 2, .oldtag = STYX_NOTAG}},
    {ALL, "Rflush tag 65534", {.type = STYX_Rflush, .tag = 65534}},
    {ALL,
     "Twalk tag 3 fid 1 newfid 2 nwname 2 'usr' 'lib'",
     {.type = STYX_Twalk, .tag = 3, .fid = 1, .newfid = 2, .nwname = 2, .wname = {S("usr"), S("lib")}}},
    {ALL, "Twalk tag 3 fid 1 newfid NOFID nwname 0", {.type = STYX_Twalk, .tag = 3, .fid = 1, .newfid = STYX_NOFID}},
    {ALL,
     "Rwalk tag 3 nwqid 2 (0x1 0 d) (0x2a 7 -)",
     {.type = STYX_Rwalk, .tag = 3, .nwqid = 2, .wqid = {{0x80, 0, 1}, {0, 7, 42}}}},
    {ALL, "Topen tag 4 fid 2 mode 16", {.type = STYX_Topen, .tag = 4, .fid = 2, .mode = STYX_OTRUNC}},
    {ALL, "Ropen tag 4 qid (0x1 0 a) iounit 8168", {.type = STYX_Ropen, .tag = 4, .qid = {0x40, 0, 1}, .iounit = 8168}},
    {IN_9P2000,
     "Tcreate tag 5 fid 2 name 'n' perm 020000000755 mode 0",
     {.type = STYX_Tcreate, .tag = 5, .fid = 2, .name = S("n"), .perm = STYX_DMDIR | 0755}},
    {ALL, "Rcreate tag 5 qid (0x1 0 l) iounit 0", {.type = STYX_Rcreate, .tag = 5, .qid = {0x20, 0, 1}}},
    {ALL,
     "Tread tag 6 fid 2 offset 18446744073709551615 count 4096",
     {.type = STYX_Tread, .tag = 6, .fid = 2, .offset = UINT64_MAX, .count = 4096}},
    {ALL,
     "Rread tag 6 count 5 data 'hello'",
     {.type = STYX_Rread, .tag = 6, .count = 5, .data = (const uint8_t *)"hello"}},
    {ALL, "Rread tag 6 count 0 data ''", {.type = STYX_Rread, .tag = 6}},
    {ALL,
     "Twrite tag 7 fid 2 offset 0 count 33 data '0123456789abcdef0123456789abcdef'...",
     {.type = STYX_Twrite,
      .tag = 7,
      .fid = 2,
      .count = 33,
      .data = (const uint8_t *)"0123456789abcdef0123456789abcdefX"}},
    {ALL, "Rwrite tag 7 count 33", {.type = STYX_Rwrite, .tag = 7, .count = 33}},
    {ALL, "Tclunk tag 8 fid 2", {.type = STYX_Tclunk, .tag = 8, .fid = 2}},
    {ALL, "Rclunk tag 8", {.type = STYX_Rclunk, .tag = 8}},
    {ALL, "Tremove tag 8 fid 2", {.type = STYX_Tremove, .tag = 8, .fid = 2}},
    {ALL, "Rremove tag 8", {.type = STYX_Rremove, .tag = 8}},
    {ALL, "Tstat tag 9 fid 2", {.type = STYX_Tstat, .tag = 9, .fid = 2}},
    {IN_9P2000,
     "Rstat tag 9 stat (type 1 dev 2 qid (0x4 3 d) mode 020000000755 atime 5 mtime 6 length 7 name '/' uid 'bob' gid "
     "'g' muid 'm')",
     {.type = STYX_Rstat,
      .tag = 9,
      .stat = {.type = 1,
               .dev = 2,
               .qid = {0x80, 3, 4},
               .mode = STYX_DMDIR | 0755,
               .atime = 5,
               .mtime = 6,
               .length = 7,
               .name = S("/"),
               .uid = S("bob"),
               .gid = S("g"),
               .muid = S("m")}}},
    {IN_9P2000,
     "Twstat tag 9 fid 2 stat (type 0 dev 0 qid (0x0 0 -) mode 00 atime 0 mtime 0 length 0 name '' uid '' gid '' muid "
     "'')",
     {.type = STYX_Twstat, .tag = 9, .fid = 2}},
    {ALL, "Rwstat tag 9", {.type = STYX_Rwstat, .tag = 9}},
    /* ---- what .u and .L add ---- */
    {IN_U | IN_L,
     "Tauth tag 1 afid 2 uname 'bob' aname '' n_uname 1000",
     {.type = STYX_Tauth, .tag = 1, .afid = 2, .uname = S("bob"), .n_uname = 1000}},
    {IN_U | IN_L,
     "Tattach tag 1 fid 0 afid NOFID uname '' aname '/srv' n_uname 4294967295",
     {.type = STYX_Tattach, .tag = 1, .afid = STYX_NOFID, .aname = S("/srv"), .n_uname = STYX_NOUID}},
    {IN_U, "Rerror tag 1 ename 'bad fid' ecode 9", {.type = STYX_Rerror, .tag = 1, .ename = S("bad fid"), .ecode = 9}},
    {IN_U,
     "Tcreate tag 5 fid 2 name 'n' perm 0200000777 mode 0 extension '../to'",
     {.type = STYX_Tcreate, .tag = 5, .fid = 2, .name = S("n"), .perm = 0x02000000 | 0777, .extension = S("../to")}},
    {IN_U,
     "Rstat tag 9 stat (type 1 dev 2 qid (0x4 3 L) mode 0200000777 atime 5 mtime 6 length 7 name 'l' uid 'bob' gid 'g' "
     "muid 'm' extension '../to' n_uid 1000 n_gid 0 n_muid 4294967295)",
     {.type = STYX_Rstat,
      .tag = 9,
      .stat = {.type = 1,
               .dev = 2,
               .qid = {STYX_QTSYMLINK, 3, 4},
               .mode = 0x02000000 | 0777,
               .atime = 5,
               .mtime = 6,
               .length = 7,
               .name = S("l"),
               .uid = S("bob"),
               .gid = S("g"),
               .muid = S("m"),
               .extension = S("../to"),
               .n_uid = 1000,
               .n_muid = STYX_NOUID}}},
    {IN_U,
     "Twstat tag 9 fid 2 stat (type 0 dev 0 qid (0x0 0 -) mode 00 atime 0 mtime 0 length 0 name '' uid '' gid '' muid "
     "'' extension '' n_uid 0 n_gid 0 n_muid 0)",
     {.type = STYX_Twstat, .tag = 9, .fid = 2}},
    {ALL, "Topenfd tag 4 fid 2 mode 3", {.type = STYX_Topenfd, .tag = 4, .fid = 2, .mode = STYX_OEXEC}},
    {ALL,
     "Ropenfd tag 4 qid (0x1 0 -) iounit 8168 unixfd 5",
     {.type = STYX_Ropenfd, .tag = 4, .qid = {0, 0, 1}, .iounit = 8168, .unixfd = 5}},
    {ALL, "Rlerror tag 1 ecode 2", {.type = STYX_Rlerror, .tag = 1, .ecode = 2}},
    {ALL, "Tstatfs tag 1 fid 0", {.type = STYX_Tstatfs, .tag = 1}},
    {ALL,
     "Rstatfs tag 1 statfs.type 16914839 statfs.bsize 4096 statfs.blocks 3 statfs.bfree 4 statfs.bavail 5 statfs.files "
     "6 "
     "statfs.ffree 7 statfs.fsid 18446744073709551615 statfs.namelen 255",
     {.type = STYX_Rstatfs, .tag = 1, .statfs = {0x01021997, 4096, 3, 4, 5, 6, 7, UINT64_MAX, 255}}},
    {ALL, "Tlopen tag 2 fid 1 flags 32769", {.type = STYX_Tlopen, .tag = 2, .fid = 1, .flags = 0100001}},
    {ALL, "Rlopen tag 2 qid (0x1 0 d) iounit 0", {.type = STYX_Rlopen, .tag = 2, .qid = {STYX_QTDIR, 0, 1}}},
    {ALL,
     "Tlcreate tag 3 fid 1 name 'n' flags 66 perm 0100644 gid 100",
     {.type = STYX_Tlcreate, .tag = 3, .fid = 1, .name = S("n"), .flags = 0102, .perm = 0100644, .gid = 100}},
    {ALL,
     "Rlcreate tag 3 qid (0x1 0 -) iounit 4096",
     {.type = STYX_Rlcreate, .tag = 3, .qid = {0, 0, 1}, .iounit = 4096}},
    {ALL,
     "Tsymlink tag 4 dfid 1 name 'l' target '../a b' gid 100",
     {.type = STYX_Tsymlink, .tag = 4, .dfid = 1, .name = S("l"), .target = S("../a b"), .gid = 100}},
    {ALL, "Rsymlink tag 4 qid (0x1 0 L)", {.type = STYX_Rsymlink, .tag = 4, .qid = {STYX_QTSYMLINK, 0, 1}}},
    {ALL,
     "Tmknod tag 5 dfid 1 name 'null' perm 020666 major 1 minor 3 gid 0",
     {.type = STYX_Tmknod, .tag = 5, .dfid = 1, .name = S("null"), .perm = 020666, .major = 1, .minor = 3}},
    {ALL, "Rmknod tag 5 qid (0x1 0 -)", {.type = STYX_Rmknod, .tag = 5, .qid = {0, 0, 1}}},
    {ALL,
     "Trename tag 6 fid 1 dfid 2 name 'new'",
     {.type = STYX_Trename, .tag = 6, .fid = 1, .dfid = 2, .name = S("new")}},
    {ALL, "Rrename tag 6", {.type = STYX_Rrename, .tag = 6}},
    {ALL, "Treadlink tag 7 fid 1", {.type = STYX_Treadlink, .tag = 7, .fid = 1}},
    {ALL, "Rreadlink tag 7 target '\\xff/\\x0a'", {.type = STYX_Rreadlink, .tag = 7, .target = S("\xff/\n")}},
    {ALL, "Tgetattr tag 8 fid 1 mask 16383", {.type = STYX_Tgetattr, .tag = 8, .fid = 1, .mask = 0x3FFF}},
    {ALL,
     "Rgetattr tag 8 attr.valid 2047 attr.qid (0x2 1 -) attr.mode 0100644 attr.uid 3 attr.gid 4 attr.nlink 5 attr.rdev "
     "6 "
     "attr.size 7 attr.blksize 8 attr.blocks 9 attr.atime.sec 10 attr.atime.nsec 11 attr.mtime.sec 12 attr.mtime.nsec "
     "13 "
     "attr.ctime.sec 14 attr.ctime.nsec 15 attr.btime.sec 16 attr.btime.nsec 17 attr.gen 18 attr.data_version "
     "18446744073709551615",
     {.type = STYX_Rgetattr,
      .tag = 8,
      .attr = {.valid = 0x7FF,
               .qid = {0, 1, 2},
               .mode = 0100644,
               .uid = 3,
               .gid = 4,
               .nlink = 5,
               .rdev = 6,
               .size = 7,
               .blksize = 8,
               .blocks = 9,
               .atime = {10, 11},
               .mtime = {12, 13},
               .ctime = {14, 15},
               .btime = {16, 17},
               .gen = 18,
               .data_version = UINT64_MAX}}},
    {ALL,
     "Tsetattr tag 9 fid 1 setattr.valid 511 setattr.mode 0600 setattr.uid 2 setattr.gid 3 setattr.size 4 "
     "setattr.atime.sec 5 setattr.atime.nsec 6 setattr.mtime.sec 7 setattr.mtime.nsec 18446744073709551615",
     {.type = STYX_Tsetattr, .tag = 9, .fid = 1, .setattr = {0x1FF, 0600, 2, 3, 4, {5, 6}, {7, UINT64_MAX}}}},
    {ALL, "Rsetattr tag 9", {.type = STYX_Rsetattr, .tag = 9}},
    {ALL,
     "Txattrwalk tag 10 fid 1 newfid 2 name 'user.x'",
     {.type = STYX_Txattrwalk, .tag = 10, .fid = 1, .newfid = 2, .name = S("user.x")}},
    {ALL, "Rxattrwalk tag 10 size 18446744073709551615", {.type = STYX_Rxattrwalk, .tag = 10, .size = UINT64_MAX}},
    {ALL,
     "Txattrcreate tag 11 fid 1 name 'user.x' size 3 flags 1",
     {.type = STYX_Txattrcreate, .tag = 11, .fid = 1, .name = S("user.x"), .size = 3, .flags = 1}},
    {ALL, "Rxattrcreate tag 11", {.type = STYX_Rxattrcreate, .tag = 11}},
    {ALL,
     "Treaddir tag 12 fid 1 offset 18446744073709551615 count 4096",
     {.type = STYX_Treaddir, .tag = 12, .fid = 1, .offset = UINT64_MAX, .count = 4096}},
    {ALL,
     "Rreaddir tag 12 count 3 data '\\x80\\x00x'",
     {.type = STYX_Rreaddir, .tag = 12, .count = 3, .data = (const uint8_t *)"\x80\0x"}},
    {ALL, "Tfsync tag 13 fid 1 datasync 1", {.type = STYX_Tfsync, .tag = 13, .fid = 1, .datasync = 1}},
    {ALL, "Rfsync tag 13", {.type = STYX_Rfsync, .tag = 13}},
    {ALL,
     "Tlock tag 14 fid 1 lock.type 1 lock.flags 3 lock.start 2 lock.length 18446744073709551615 lock.proc_id 4 "
     "lock.client_id 'host'",
     {.type = STYX_Tlock, .tag = 14, .fid = 1, .lock = {1, 3, 2, UINT64_MAX, 4, S("host")}}},
    {ALL, "Rlock tag 14 status 255", {.type = STYX_Rlock, .tag = 14, .status = 255}},
    {ALL,
     "Tgetlock tag 15 fid 1 lock.type 0 lock.start 2 lock.length 3 lock.proc_id 4294967295 lock.client_id 'host'",
     {.type = STYX_Tgetlock, .tag = 15, .fid = 1, .lock = {0, 0, 2, 3, UINT32_MAX, S("host")}}},
    {ALL,
     "Rgetlock tag 15 lock.type 2 lock.start 0 lock.length 0 lock.proc_id 4 lock.client_id ''",
     {.type = STYX_Rgetlock, .tag = 15, .lock = {.type = 2, .proc_id = 4}}},
    {ALL, "Tlink tag 16 dfid 1 fid 2 name 'n'", {.type = STYX_Tlink, .tag = 16, .dfid = 1, .fid = 2, .name = S("n")}},
    {ALL, "Rlink tag 16", {.type = STYX_Rlink, .tag = 16}},
    {ALL,
     "Tmkdir tag 17 dfid 1 name 'd' perm 0755 gid 4294967295",
     {.type = STYX_Tmkdir, .tag = 17, .dfid = 1, .name = S("d"), .perm = 0755, .gid = UINT32_MAX}},
    {ALL, "Rmkdir tag 17 qid (0x1 0 d)", {.type = STYX_Rmkdir, .tag = 17, .qid = {STYX_QTDIR, 0, 1}}},
    {ALL,
     "Trenameat tag 18 dfid 1 name 'a' newdfid 2 newname 'b'",
     {.type = STYX_Trenameat, .tag = 18, .dfid = 1, .name = S("a"), .newdfid = 2, .newname = S("b")}},
    {ALL, "Rrenameat tag 18", {.type = STYX_Rrenameat, .tag = 18}},
    {ALL,
     "Tunlinkat tag 19 dfid 1 name 'd' flags 512",
     {.type = STYX_Tunlinkat, .tag = 19, .dfid = 1, .name = S("d"), .flags = 0x200}},
    {ALL, "Runlinkat tag 19", {.type = STYX_Runlinkat, .tag = 19}},
};

enum { NLINES = sizeof lines / sizeof *lines };

/* Is this the line of its message in this dialect? */
static inline bool line_holds(size_t i, styx_dialect d) {
  return styx_msg_exists(lines[i].msg.type, d) && (lines[i].dialects >> d & 1);
}

/* The first dialect in which it is. */
static inline styx_dialect line_dialect(size_t i) {
  styx_dialect d = STYX_9P2000;
  while (d < STYX_9P2000_L && !line_holds(i, d))
    d++;
  return d;
}

#endif
