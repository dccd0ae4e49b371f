/* golden_test.c: the codec against bytes and meanings written by hand, and against a second decoder. */
#include "goldens.h"
#include "reference.h"
#include "support/msgtext.h"

enum { TEXT_MAX = 6 << 20 };
static char printed[TEXT_MAX], plain[TEXT_MAX];

/* The same bytes with a page behind them, or before them, that cannot be touched. */
static uint8_t *behind, *before;

static void rooms(void) {
  behind = guard_room();
  before = guard_room();
}

static uint8_t *against_the_end(const uint8_t *bytes, size_t n) { return memcpy(behind + GUARD_ROOM - n, bytes, n); }

TestSuite(golden, .init = rooms);

/* ---- what the files hold ---- */

Test(golden, every_message_of_every_dialect_is_there) {
  for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++)
    for (unsigned type = 0; type < 256; type++) {
      bool found = false;
      for
        EACH_GOLDEN(g)
      found |= g->bytes[4] == type && g->dialect == d;
      cr_assert_eq(found, styx_msg_exists(type, d), "message %u of dialect %d", type, (int)d);
    }
}

Test(golden, every_field_has_its_least_and_greatest_value_and_one_that_shows_the_order_of_bytes) {
  static struct ref sum[3][256], one;
  for
    EACH_GOLDEN(g) {
      struct ref *s = &sum[g->dialect][g->bytes[4]];
      cr_assert_eq(reference(&one, g->bytes, g->n, g->dialect, NULL, 0), REF_OK, "%s", g->where);
      for (size_t i = 0; i < one.nfields; i++)
        s->seen[i] |= one.seen[i];
      memcpy(s->names, one.names, sizeof s->names);
      s->nfields = one.nfields;
    }
  for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++)
    for (unsigned type = 0; type < 256; type++)
      for (size_t i = 0; i < sum[d][type].nfields; i++)
        cr_assert_eq(sum[d][type].seen[i], REF_LEAST | REF_GREATEST | REF_MIXED, "%s of dialect %d: %.24s: only %d",
                     styx_msg_name(type), (int)d, sum[d][type].names[i], sum[d][type].seen[i]);
}

/* ---- three witnesses of what they mean ---- */

Test(golden, decode_finds_what_was_written_beside_the_bytes) {
  for
    EACH_GOLDEN(g) {
      styx_msg msg;
      const uint8_t *at = against_the_end(g->bytes, g->n);
      cr_assert_eq(styx_decode(&msg, at, g->n, 0, g->dialect), (ptrdiff_t)g->n, "%s", g->where);
      cr_assert_lt(styx_msg_print_whole(printed, sizeof printed, &msg, g->dialect), sizeof printed);
      cr_assert(strcmp(printed, g->text) == 0, "%s: %.1000s\nis decoded as\n%.1000s", g->where, g->text, printed);
    }
}

Test(golden, the_second_decoder_finds_it_too) {
  for
    EACH_GOLDEN(g) {
      struct ref r;
      cr_assert_eq(reference(&r, g->bytes, g->n, g->dialect, plain, sizeof plain), REF_OK, "%s", g->where);
      cr_assert(ref_agrees(&r, g->text), "%s: %.1000s\nis decoded as\n%.1000s", g->where, g->text, plain);
    }
}

/* With the test above, equal bytes mean that no field was lost on the way. */
Test(golden, encode_gives_the_bytes_back_in_just_the_room_they_need) {
  for
    EACH_GOLDEN(g) {
      styx_msg msg;
      uint8_t *at = behind + GUARD_ROOM - g->n;
      cr_assert_eq(styx_decode(&msg, g->bytes, g->n, 0, g->dialect), (ptrdiff_t)g->n, "%s", g->where);
      cr_assert_eq(styx_encoded_size(&msg, g->dialect), (ptrdiff_t)g->n, "%s", g->where);
      memset(at, 0xA5, g->n);
      cr_assert_eq(styx_encode(at, g->n, &msg, g->dialect), (ptrdiff_t)g->n, "%s", g->where);
      cr_assert(memcmp(at, g->bytes, g->n) == 0, "%s", g->where);
      for (size_t cap = 0; cap < g->n; cap = golden_step(cap, g->n))
        cr_assert_eq(styx_encode(behind + GUARD_ROOM - cap, cap, &msg, g->dialect), -STYX_ENOFIT, "%s", g->where);
    }
}

/* encode alone, with no decoded message before it. */
Test(golden, a_message_built_from_the_text_encodes_to_the_bytes) {
  static uint8_t room[MSGTEXT_ROOM], bytes[MSGTEXT_ROOM];
  unsigned tried = 0;
  for
    EACH_GOLDEN(g) {
      if (g->dialect != STYX_9P2000 || g->n > 512)
        continue;
      styx_msg msg;
      char why[256];
      cr_assert(msgtext_build(&msg, g->text, &(struct msgtext_vars){0}, room, why), "%s: %s", g->where, why);
      cr_assert_eq(styx_encode(bytes, sizeof bytes, &msg, g->dialect), (ptrdiff_t)g->n, "%s", g->where);
      cr_assert(memcmp(bytes, g->bytes, g->n) == 0, "%s", g->where);
      tried++;
    }
  cr_assert_gt(tried, 50);
}

/* ---- too few bytes, too many, and wrong ones ---- */

Test(golden, every_prefix_needs_more) {
  for
    EACH_GOLDEN(g)
  for (size_t cut = 0; cut < g->n; cut = golden_step(cut, g->n)) {
    styx_msg msg;
    cr_assert_eq(styx_decode(&msg, against_the_end(g->bytes, cut), cut, 0, g->dialect), 0, "%s cut at %zu", g->where,
                 cut);
  }
}

Test(golden, what_follows_a_message_is_left_alone) {
  for
    EACH_GOLDEN(g) {
      styx_msg msg;
      memset(before, 0xFF, g->n + 7);
      memcpy(before, g->bytes, g->n);
      cr_assert_eq(styx_decode(&msg, before, g->n + 7, 0, g->dialect), (ptrdiff_t)g->n, "%s", g->where);
    }
}

static void set_size(uint8_t *at, size_t size) {
  for (unsigned i = 0; i < 4; i++)
    at[i] = (uint8_t)(size >> 8 * i);
}

Test(golden, bytes_left_over_are_refused_unless_slack_is_allowed) {
  for
    EACH_GOLDEN(g) {
      styx_msg msg;
      uint8_t *at = behind + GUARD_ROOM - g->n - 1;
      memcpy(at, g->bytes, g->n);
      at[g->n] = 0;
      set_size(at, g->n + 1);
      styx_err want = g->bytes[4] % 2 == 0 ? STYX_EBADT : STYX_EBADR;
      cr_assert_eq(styx_decode(&msg, at, g->n + 1, 0, g->dialect), -want, "%s", g->where);
      cr_assert(msg.type == at[4] && msg.tag == (at[5] | at[6] << 8), "%s", g->where);
      cr_assert_eq(styx_decode_lenient(&msg, at, g->n + 1, 0, g->dialect, STYX_ALLOW_SLACK), (ptrdiff_t)g->n + 1,
                   "%s: all of the message has to be used", g->where);
      styx_msg_print_whole(printed, sizeof printed, &msg, g->dialect);
      cr_assert(strcmp(printed, g->text) == 0, "%s: %.1000s", g->where, printed);
    }
}

Test(golden, a_message_shorter_than_its_fields_loses_framing) {
  for
    EACH_GOLDEN(g)
  for (size_t size = 7; size < g->n; size = golden_step(size, g->n)) {
    styx_msg msg;
    uint8_t *at = against_the_end(g->bytes, g->n);
    set_size(at, size);
    ptrdiff_t got = styx_decode(&msg, at, g->n, 0, g->dialect);
    cr_assert_eq(got, -STYX_ETRUNC, "%s with size %zu: %td", g->where, size, got);
  }
}

static enum ref_verdict verdict_of(ptrdiff_t used) {
  if (used >= 0)
    return used ? REF_OK : REF_MORE;
  return styx_err_is_framing((styx_err)-used) ? REF_LOST : REF_BAD;
}

/* A damaged message: both decoders say the same of it, and what is accepted is another message, with just these bytes. */
static void check_damaged(const struct golden *g, size_t place, bool words) {
  static uint8_t again[GUARD_ROOM];
  struct ref r;
  styx_msg msg;
  const uint8_t *at = behind + GUARD_ROOM - g->n;
  ptrdiff_t used = styx_decode(&msg, at, g->n, 0, g->dialect);
  enum ref_verdict want = reference(&r, at, g->n, g->dialect, words ? plain : NULL, sizeof plain);
  cr_assert_eq(verdict_of(used), want, "%s: with %02x at %zu: %td", g->where, at[place], place, used);
  cr_assert_eq(styx_decode(&(styx_msg){0}, before, g->n, 0, g->dialect), used, "%s: it depends on the place", g->where);
  if (used <= 0)
    return;
  cr_assert_eq(styx_encode(again, sizeof again, &msg, g->dialect), used, "%s", g->where);
  cr_assert(memcmp(again, at, (size_t)used) == 0, "%s: with %02x at %zu", g->where, at[place], place);
  if (!words)
    return;
  styx_msg_print_whole(printed, sizeof printed, &msg, g->dialect);
  cr_assert(strcmp(printed, g->text) != 0, "%s: the same with %02x at %zu", g->where, at[place], place);
  cr_assert(ref_agrees(&r, printed), "%s: with %02x at %zu\n%.1000s\n%.1000s", g->where, at[place], place, plain,
            printed);
}

static void damage(const struct golden *g, size_t place) {
  uint8_t *at = behind + GUARD_ROOM - g->n + place;
  bool is_long = g->n > 512;
  for (unsigned flip = is_long ? 1u << place % 8 : 1; flip < 256; flip += is_long ? 256 : 1) {
    bool one_bit = (flip & (flip - 1)) == 0;
    *at = before[place] = g->bytes[place] ^ (uint8_t)flip;
    check_damaged(g, place, one_bit && !is_long);
  }
  *at = before[place] = g->bytes[place];
}

static void damage_all(styx_dialect dialect) {
  for
    EACH_GOLDEN(g) {
      if (g->dialect != dialect)
        continue;
      memcpy(before, g->bytes, g->n);
      against_the_end(g->bytes, g->n);
      for (size_t place = 0; place < g->n; place = golden_step(place, g->n))
        damage(g, place);
    }
}

Test(golden, no_single_wrong_byte_is_misread_in_9p2000) { damage_all(STYX_9P2000); }
Test(golden, no_single_wrong_byte_is_misread_in_u) { damage_all(STYX_9P2000_U); }
Test(golden, no_single_wrong_byte_is_misread_in_L) { damage_all(STYX_9P2000_L); }

/* A message of one dialect in the eyes of the others: fields that only some have are neither read nor left over unsaid. */
Test(golden, each_dialect_reads_its_own_fields_only) {
  unsigned refused = 0;
  for
    EACH_GOLDEN(g)
  for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++) {
    struct ref r;
    styx_msg msg;
    const uint8_t *at = against_the_end(g->bytes, g->n);
    ptrdiff_t used = styx_decode(&msg, at, g->n, 0, d);
    enum ref_verdict want = reference(&r, at, g->n, d, plain, sizeof plain);
    cr_assert_eq(verdict_of(used), want, "%s in dialect %d: %td", g->where, (int)d, used);
    refused += want != REF_OK;
    if (want != REF_OK)
      continue;
    styx_msg_print_whole(printed, sizeof printed, &msg, d);
    cr_assert(ref_agrees(&r, printed), "%s in dialect %d: %.1000s", g->where, (int)d, printed);
  }
  cr_assert_gt(refused, 100);
}
