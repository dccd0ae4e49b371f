/* styx/wire.h: the codec of 9P, bytes to messages and back.
 *
 * Allocates nothing, does no I/O, keeps no state: every function may be called from any thread and never blocks. A decoded
 * message is a view: its strings and data point into the buffer it was decoded from and live as long as that buffer.
 * Sources: intro(5), contract.md 1.1 to 1.5 and 1.16; the table of messages is lib/wire/messages.def.
 */
#ifndef STYX_WIRE_H
#define STYX_WIRE_H

#include <styx/err.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- constants (contract 1.3, 1.5) ---- */

#define STYX_NOTAG 0xFFFFu
#define STYX_NOFID 0xFFFFFFFFu
#define STYX_NOUID 0xFFFFFFFFu /* no number: of a user, a group or a Tattach */
#define STYX_MAXWELEM 16u
#define STYX_IOHDRSZ 24u    /* room that clients leave for the header of a read or write */
#define STYX_HDRSZ 7u       /* size[4] type[1] tag[2]: the smallest message */
#define STYX_RREADHDRSZ 11u /* what precedes the data of an Rread */
#define STYX_QIDSZ 13u
#define STYX_STATFIXLEN 49u   /* a stat record with four empty strings, its own size field counted */
#define STYX_STATFIXLEN_U 63u /* the same with five, in .u */
#define STYX_MINMSIZE 256u
#define STYX_ERRMAX 128u
#define STYX_VERSION_9P2000 "9P2000"

/* Qid types: the top byte of the mode. */
enum {
  STYX_QTDIR = 0x80,
  STYX_QTAPPEND = 0x40,
  STYX_QTEXCL = 0x20,
  STYX_QTMOUNT = 0x10,
  STYX_QTAUTH = 0x08,
  STYX_QTTMP = 0x04,
  STYX_QTSYMLINK = 0x02,
  STYX_QTLINK = 0x01,
  STYX_QTFILE = 0x00
};

#define STYX_DMDIR 0x80000000u
#define STYX_DMAPPEND 0x40000000u
#define STYX_DMEXCL 0x20000000u
#define STYX_DMAUTH 0x08000000u
#define STYX_DMTMP 0x04000000u
#define STYX_DMPERM 0x000001FFu

/* The mode byte of Topen and Tcreate. */
enum { STYX_OREAD = 0, STYX_OWRITE = 1, STYX_ORDWR = 2, STYX_OEXEC = 3, STYX_OTRUNC = 0x10, STYX_ORCLOSE = 0x40 };

typedef enum styx_dialect { STYX_9P2000 = 0, STYX_9P2000_U = 1, STYX_9P2000_L = 2 } styx_dialect;

/* Message numbers: STYX_Tversion = 100, … one for each row of messages.def. */
enum {
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply) STYX_##name = (number),
#include <styx/messages.def>
#undef STYX_MSG
};

/* Never on the wire, and not encoded: what functions that read messages leave (styx/msgio.h) when there is none, with the reason
 * in ename. Its tag means nothing. */
enum { STYX_Readerror = 0 };

/* ---- values ---- */

/* A counted string, not terminated, borrowed from whoever made it. */
typedef struct styx_str {
  const char *s;
  size_t len;
} styx_str;

#define STYX_STR(literal)                                                                                              \
  { (literal), sizeof(literal) - 1 }
STYX_API styx_str styx_str_of(const char *text); /* borrows text; NULL is the empty string */
STYX_API bool styx_str_eq(styx_str a, styx_str b);
STYX_API bool styx_str_is(styx_str a, const char *text);

/* Two files of one server are the same if and only if their qids are (type and path); vers changes with the content. */
typedef struct styx_qid {
  uint8_t type;
  uint32_t vers;
  uint64_t path;
} styx_qid;

/* A stat record as 9P2000 and .u have it. Times are seconds since 1970. type and dev are the kernel's own (send 0). */
typedef struct styx_stat {
  uint16_t type;
  uint32_t dev;
  styx_qid qid;
  uint32_t mode;
  uint32_t atime;
  uint32_t mtime;
  uint64_t length;
  styx_str name;
  styx_str uid;
  styx_str gid;
  styx_str muid;
  styx_str extension; /* .u only, with what follows: target of a symbolic link, or the device */
  uint32_t n_uid;
  uint32_t n_gid;
  uint32_t n_muid;
} styx_stat;

/* A record in which every field says "don't touch" (contract 1.4): what a Twstat starts from. */
STYX_API styx_stat styx_stat_untouched(void);

/* What 9P2000.L has instead of stat records. Times are seconds and nanoseconds as the wire has them, unchecked. */
typedef struct styx_ltime {
  uint64_t sec;
  uint64_t nsec;
} styx_ltime;

typedef struct styx_lattr { /* Rgetattr */
  uint64_t valid;           /* STYX_GETATTR_*: which of the others count; qid always does */
  styx_qid qid;
  uint32_t mode; /* of Linux: S_IFMT type and permission bits */
  uint32_t uid;
  uint32_t gid;
  uint64_t nlink;
  uint64_t rdev;
  uint64_t size;
  uint64_t blksize;
  uint64_t blocks;
  styx_ltime atime;
  styx_ltime mtime;
  styx_ltime ctime;
  styx_ltime btime;
  uint64_t gen;
  uint64_t data_version;
} styx_lattr;

typedef struct styx_lsetattr { /* Tsetattr */
  uint32_t valid;              /* STYX_SET_*: what is to change */
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  uint64_t size;
  styx_ltime atime;
  styx_ltime mtime;
} styx_lsetattr;

typedef struct styx_statfs {
  uint32_t type;
  uint32_t bsize;
  uint64_t blocks;
  uint64_t bfree;
  uint64_t bavail;
  uint64_t files;
  uint64_t ffree;
  uint64_t fsid;
  uint32_t namelen;
} styx_statfs;

typedef struct styx_lock {
  uint8_t type;   /* 0 read, 1 write, 2 unlock */
  uint32_t flags; /* Tlock only: 1 block, 2 reclaim */
  uint64_t start;
  uint64_t length;
  uint32_t proc_id;
  styx_str client_id;
} styx_lock;

/* One entry of an Rreaddir. */
typedef struct styx_ldirent {
  styx_qid qid;
  uint64_t offset; /* of the entry after this one: a cookie of the server's */
  uint8_t type;    /* DT_* of Linux */
  styx_str name;
} styx_ldirent;

/* One message of any kind and dialect. Which fields count for which type is said by the row of messages.def. */
typedef struct styx_msg {
  uint8_t type;
  uint16_t tag;
  uint16_t oldtag; /* Tflush */
  uint8_t mode;    /* Topen, Tcreate, Topenfd */
  uint8_t status;  /* Rlock */
  uint16_t nwname; /* Twalk */
  uint16_t nwqid;  /* Rwalk */
  uint32_t msize;
  uint32_t fid;
  uint32_t newfid;
  uint32_t afid;
  uint32_t dfid;    /* the directory of a .L message */
  uint32_t newdfid; /* Trenameat */
  uint32_t perm;    /* Tcreate; .L: the mode of Linux */
  uint32_t iounit;
  uint32_t count;   /* Tread, Treaddir, Rwrite; with data: its bytes */
  uint32_t n_uname; /* Tauth, Tattach in .u and .L; STYX_NOUID = none */
  uint32_t ecode;   /* Rerror in .u, Rlerror: errno of Linux */
  uint32_t flags;   /* Tlopen, Tlcreate, Txattrcreate, Tunlinkat */
  uint32_t gid;     /* .L: the group of what is made */
  uint32_t major;   /* Tmknod, with minor */
  uint32_t minor;
  uint32_t datasync; /* Tfsync */
  uint32_t unixfd;   /* Ropenfd */
  uint64_t offset;
  uint64_t mask; /* Tgetattr */
  uint64_t size; /* Txattrcreate, Rxattrwalk */
  styx_qid qid;
  const uint8_t *data; /* Twrite, Rread, Rreaddir */
  styx_str version;
  styx_str uname;
  styx_str aname;
  styx_str name;
  styx_str newname;   /* Trenameat */
  styx_str target;    /* Tsymlink, Rreadlink */
  styx_str extension; /* Tcreate in .u */
  styx_str ename;
  union {
    styx_str wname[STYX_MAXWELEM]; /* Twalk */
    styx_qid wqid[STYX_MAXWELEM];  /* Rwalk */
    styx_stat stat;                /* Rstat, Twstat */
    styx_lattr attr;               /* Rgetattr */
    styx_lsetattr setattr;         /* Tsetattr */
    styx_statfs statfs;            /* Rstatfs */
    styx_lock lock;                /* Tlock, Tgetlock, Rgetlock */
  };
} styx_msg;

/* ---- messages ---- */

/* The size of the message that starts at buf, once all of it is there; 0 when more bytes are needed; else the negative of
 * STYX_EFRAME (size under 7) or STYX_ETOOLONG (size over msize; msize 0 = no limit), which can be said as soon as the size
 * field is there. */
STYX_API ptrdiff_t styx_frame(const void *buf, size_t len, uint32_t msize);

/* Decode the message that starts at buf. Returns the bytes it took: always its own size field, since a message has to be
 * consumed exactly; 0 when more bytes are needed; or the negative of a styx_err:
 *   STYX_EFRAME, STYX_ETOOLONG, STYX_ETRUNC (a count or string reaches past the end): framing is lost, see
 *     styx_err_is_framing;
 *   STYX_EUNKNOWN (no such message in this dialect; 106 is one), STYX_EBADT and STYX_EBADR (bytes left over after the
 *     fields), STYX_EMANYNAMES, STYX_ENUL, STYX_EUTF8, STYX_ENAME ('/' or nothing in a file name), STYX_EDOT ("." in a
 *     walk, "." or ".." in a name that is made), STYX_EBADSTAT: the frame is whole and type and tag of msg are set, so an
 *     error reply can be sent and the next message found by styx_frame. Other fields are then unspecified.
 * Strings are UTF-8 in 9P2000 and .u and bytes in .L; no string but the text of an error holds NUL.
 * Never reads outside buf[0..len). A Tversion or Rversion decodes alike in every dialect. */
STYX_API ptrdiff_t styx_decode(styx_msg *msg, const void *buf, size_t len, uint32_t msize, styx_dialect dialect);

/* The same for a peer that is not as strict, by a sum of these: */
enum {
  STYX_ALLOW_SLACK = 1, /* bytes after the last field are passed over, not refused */
  STYX_ALLOW_BYTES = 2  /* strings need not be UTF-8, in any dialect */
};
STYX_API ptrdiff_t styx_decode_lenient(styx_msg *msg, const void *buf, size_t len, uint32_t msize, styx_dialect dialect,
                                       unsigned allow);

/* Bytes that styx_encode would write, or the negative of STYX_EUNKNOWN, STYX_EMANYNAMES, or STYX_ENOFIT when a string is
 * longer than 65,535 bytes or a stat record or the whole message longer than its size field can say. */
STYX_API ptrdiff_t styx_encoded_size(const styx_msg *msg, styx_dialect dialect);

/* Encode msg at buf: bytes written, or a negative error as above (STYX_ENOFIT also when cap is too small; nothing useful is
 * then in buf). data may lie inside buf where it belongs, it is not copied then, or behind that. A string may lie inside buf
 * only where it belongs: so a message may be encoded over the bytes that it was decoded from, numbers changed. */
STYX_API ptrdiff_t styx_encode(void *buf, size_t cap, const styx_msg *msg, styx_dialect dialect);

/* The name of a message number ("Twalk"), or NULL. */
STYX_API const char *styx_msg_name(unsigned type);

/* Does this dialect have a message of this number? */
STYX_API bool styx_msg_exists(unsigned type, styx_dialect dialect);

/* True for the number of a T-message. (Any even number is one on the wire; this asks the table.) */
STYX_API bool styx_msg_is_t(unsigned type);

/* ---- stat records, with their own size field, as in directory reads; .L has none: as in 9P2000 ---- */

/* Bytes that record takes (49 plus its strings; in .u 63), or -(STYX_ENOFIT) when over 65,535. */
STYX_API ptrdiff_t styx_stat_size(const styx_stat *stat, styx_dialect dialect);
STYX_API ptrdiff_t styx_stat_encode(void *buf, size_t cap, const styx_stat *stat, styx_dialect dialect);
/* Used bytes, 0 = need more, -(STYX_EBADSTAT) and -(STYX_ENUL), -(STYX_EUTF8) for what can never become a record. stat is
 * untouched then. */
STYX_API ptrdiff_t styx_stat_decode(styx_stat *stat, const void *buf, size_t len, styx_dialect dialect);
/* The same for a peer that is not as strict: of what styx_decode_lenient may be told to allow, STYX_ALLOW_BYTES has a meaning
 * here. */
STYX_API ptrdiff_t styx_stat_decode_lenient(styx_stat *stat, const void *buf, size_t len, styx_dialect dialect,
                                            unsigned allow);

/* ---- entries of an Rreaddir ---- */

/* Bytes that the entry takes, 24 plus its name, or -(STYX_ENOFIT) for a name over 65,535. */
STYX_API ptrdiff_t styx_ldirent_size(const styx_ldirent *entry);
STYX_API ptrdiff_t styx_ldirent_encode(void *buf, size_t cap, const styx_ldirent *entry);
/* Used bytes, 0 = need more, -(STYX_ENUL), -(STYX_ENAME) for a name that is empty or has a '/'. */
STYX_API ptrdiff_t styx_ldirent_decode(styx_ldirent *entry, const void *buf, size_t len);

/* ---- styx(2): more constants, versions, and small questions ---- */

#define STYX_MAXRPC 1048576u /* a reasonable msize: what styxd and the client offer */
#define STYX_VERSION_9P2000_U "9P2000.u"
#define STYX_VERSION_9P2000_L "9P2000.L"
#define STYX_VERSION_UNKNOWN "unknown" /* Rversion: none in common */

#define STYX_DMMOUNT 0x10000000u /* the kernel's own; not sent */

/* Bits of the mode that only 9P2000.u has (contract 1.14). */
#define STYX_DMSYMLINK 0x02000000u
#define STYX_DMLINK 0x01000000u
#define STYX_DMDEVICE 0x00800000u
#define STYX_DMNAMEDPIPE 0x00200000u
#define STYX_DMSOCKET 0x00100000u
#define STYX_DMSETUID 0x00080000u
#define STYX_DMSETGID 0x00040000u
#define STYX_DMSETVTX 0x00010000u

/* 9P2000.L (contract 1.15): what a Tgetattr asks for and an Rgetattr has; 64 bits on the wire. */
#define STYX_GETATTR_MODE 0x0001ull
#define STYX_GETATTR_NLINK 0x0002ull
#define STYX_GETATTR_UID 0x0004ull
#define STYX_GETATTR_GID 0x0008ull
#define STYX_GETATTR_RDEV 0x0010ull
#define STYX_GETATTR_ATIME 0x0020ull
#define STYX_GETATTR_MTIME 0x0040ull
#define STYX_GETATTR_CTIME 0x0080ull
#define STYX_GETATTR_INO 0x0100ull
#define STYX_GETATTR_SIZE 0x0200ull
#define STYX_GETATTR_BLOCKS 0x0400ull
#define STYX_GETATTR_BASIC 0x07FFull /* all above: what stat(2) tells */
#define STYX_GETATTR_BTIME 0x0800ull
#define STYX_GETATTR_GEN 0x1000ull
#define STYX_GETATTR_DATA_VERSION 0x2000ull
#define STYX_GETATTR_ALL 0x3FFFull

/* What a Tsetattr sets. A time without its _SET bit becomes the server's now. */
#define STYX_SETATTR_MODE 0x001u
#define STYX_SETATTR_UID 0x002u
#define STYX_SETATTR_GID 0x004u
#define STYX_SETATTR_SIZE 0x008u
#define STYX_SETATTR_ATIME 0x010u
#define STYX_SETATTR_MTIME 0x020u
#define STYX_SETATTR_CTIME 0x040u
#define STYX_SETATTR_ATIME_SET 0x080u
#define STYX_SETATTR_MTIME_SET 0x100u

enum { STYX_LOCK_RDLCK = 0, STYX_LOCK_WRLCK = 1, STYX_LOCK_UNLCK = 2 }; /* Tlock, Tgetlock: the type */
enum { STYX_LOCK_BLOCK = 1, STYX_LOCK_RECLAIM = 2 };                    /* Tlock: flags */
enum { STYX_LOCK_SUCCESS = 0, STYX_LOCK_BLOCKED = 1, STYX_LOCK_ERROR = 2, STYX_LOCK_GRACE = 3 }; /* Rlock: the status */
#define STYX_UNLINKAT_DIR 0x200u /* Tunlinkat: it is a directory */

/* "9P2000", "9P2000.u", "9P2000.L": a constant string; "unknown" for what is no dialect. */
STYX_API const char *styx_dialect_version(styx_dialect dialect);

/* What a server answers to a Tversion (version(5), contract 1.6). dialects is a mask of those it speaks, 1u << STYX_9P2000
 * and so on; msize the largest message it takes. Fills all of *rversion: the tag of tversion; the lesser of both msizes; as
 * version the dialect's name, or "unknown", which are constant strings. *rversion may be *tversion.
 *
 * True when they have a version in common: *dialect is it, and the caller now ends the old session (fids, outstanding
 * requests) before it sends the reply. False, "unknown", when they have not, or when the lesser msize is under
 * STYX_MINMSIZE: *dialect is untouched, and nothing ends. The rules: a version is "9P", decimal digits, then nothing or a
 * dot and anything. The digits are compared as a number. 2000 with ".u" or ".L" is that dialect, if the server speaks it;
 * everything else from 2000 on is 9P2000, if the server speaks that; the rest is unknown. */
STYX_API bool styx_compatible(styx_msg *rversion, const styx_msg *tversion, uint32_t msize, unsigned dialects,
                              styx_dialect *dialect);

/* Does buf hold a T-message, judging by nothing but its type byte (T is even)? False when that is not within len. */
STYX_API bool styx_is_tmsg(const void *buf, size_t len);

/* The longest beginning of s that has at most max bytes and does not end inside a UTF-8 character. Bytes that are no UTF-8
 * are cut where max falls, so no more than three bytes are ever given up. Borrows from s. */
STYX_API styx_str styx_str_cut(styx_str s, size_t max);

/* ---- printing: one line, no newline, safe on hostile bytes (what is not printable ASCII or UTF-8 is \xHH) ---- */

/* As snprintf: returns the length that the whole text has, writes at most cap bytes with the terminator.
 * Form: the message's name, then "tag N", then each field as "name value" in wire order; strings in single quotes;
 * at most 32 bytes of data and then "...". NOTAG and NOFID print as words. Example:
 *   Twalk tag 3 fid 1 newfid 2 nwname 2 'usr' 'lib'
 * What is not in the table, or not in this dialect, prints as its number and tag alone ("message 106 tag 9"), and what is
 * no message at all as "Readerror ename 'reason'". */
STYX_API size_t styx_msg_print(char *buf, size_t cap, const styx_msg *msg, styx_dialect dialect);
/* The same with all of the data, for styx_msg_parse. */
STYX_API size_t styx_msg_print_whole(char *buf, size_t cap, const styx_msg *msg, styx_dialect dialect);
STYX_API size_t styx_qid_print(char *buf, size_t cap, styx_qid qid);
STYX_API size_t styx_stat_print(char *buf, size_t cap, const styx_stat *stat, styx_dialect dialect);

/* The message that the len bytes of text say, in the form of styx_msg_print_whole: for every message that decodes, its line
 * parses to a message that encodes to the same bytes. Also taken: blanks and tabs anywhere between words; decimal, 0x…,
 * octal after a 0, NOTAG and NOFID wherever there is a number; \xHH for any byte of a string. "..." stands for fields that
 * are not given, up to the next one that is named or to the end of a message or stat: they are zero and empty, except
 * n_uname, n_uid, n_gid and n_muid (STYX_NOUID), the stat of a Twstat (styx_stat_untouched) and a count before data (its
 * length).
 * What strings say is not judged: they may hold what styx_decode refuses.
 * Strings and data are views into room, of cap bytes, which is the caller's; len bytes are always enough. text and room may be
 * NULL when len and cap are 0. 0, or
 *   STYX_EBADARG (anything else in the text: a name that this dialect does not have, a number that its field cannot hold, a
 *     string over 65,535 bytes, data of another length than its count or cut by styx_msg_print, more than 16 names, …),
 *   STYX_ENOFIT (room is too small):
 * msg is then untouched, room holds nothing useful, and *where is the place in text that is wrong: its end when something is
 * missing, the first quote of a string that does not end or fit. where may be NULL, and is not touched on success. */
STYX_API styx_err styx_msg_parse(styx_msg *msg, const char *text, size_t len, styx_dialect dialect, void *room,
                                 size_t cap, const char **where);

#ifdef __cplusplus
}
#endif
#endif
