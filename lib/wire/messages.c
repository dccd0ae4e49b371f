/* messages.c: what messages.def says about a number: its name, whether it is a request, and how large the message is. */
#include "wire/codec.h"

enum { BASE = 1 << STYX_9P2000 | 1 << STYX_9P2000_U, LINUX = 1 << STYX_9P2000_L, ALL = BASE | LINUX };

static const struct {
  const char *name;
  uint8_t reply;
} rows[SX_LASTTYPE + 1] = {
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply) [number] = {#name, reply},
#include <styx/messages.def>
#undef STYX_MSG
};

#define U8(f) +1
#define U16(f) +2
#define U32(f) +4
#define U64(f) +8
#define TAG(f) U16(f)
#define FID(f) U32(f)
#define PERM(f) U32(f)
#define STR(f) U16(f)
#define TEXT(f) U16(f)
#define NAME(f) U16(f)
#define QID(f) +STYX_QIDSZ
#define STAT(f) U16(f)
#define NAMES() U16(nwname)
#define QIDS() U16(nwqid)
#define DATA() U32(count)
#define SIZE(number, dialects, dialect, fields) [number] = ((dialects) >> (dialect)) % 2 ? STYX_HDRSZ fields : 0,

const uint8_t sx_fixed_sizes[][SX_LASTTYPE + 1] = {
    [STYX_9P2000] =
        {
#define U(fields)
#define UL(fields)
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply) SIZE(number, dialects, STYX_9P2000, fields)
#include <styx/messages.def>
#undef STYX_MSG
#undef UL
#undef U
        },
    [STYX_9P2000_U] =
        {
#define U(fields) fields
#define UL(fields) fields
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply) SIZE(number, dialects, STYX_9P2000_U, fields)
#include <styx/messages.def>
#undef STYX_MSG
#undef UL
#undef U
        },
    [STYX_9P2000_L] =
        {
#define U(fields)
#define UL(fields) fields
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply) SIZE(number, dialects, STYX_9P2000_L, fields)
#include <styx/messages.def>
        },
};

#undef SIZE
#include "wire/undef.h"

const char *styx_msg_name(unsigned type) { return type <= SX_LASTTYPE ? rows[type].name : NULL; }

bool styx_msg_is_t(unsigned type) { return type <= SX_LASTTYPE && rows[type].reply != 0; }

bool styx_msg_exists(unsigned type, styx_dialect dialect) { return sx_fixed_size(type, dialect) != 0; }
