/* rights_test.c: every mode byte against nine sets of rights, for the owner, the group and others, through a session over
 * memory files. */
#include "memfs_fixture.h"

static void open_to_all(void) { start(0777, 0); }

TestSuite(rights, .init = open_to_all, .fini = stop, .timeout = 120);

static const uint32_t sets[] = {0, 0111, 0222, 0333, 0444, 0555, 0666, 0777, 0421};

/* intro(5): each bit from any class that applies. */
static bool granted(uint32_t rights, unsigned mode, bool owner, bool member) {
  static const uint32_t needs[] = {4, 2, 6, 1};
  uint32_t has = (rights & 7) | (owner ? rights >> 6 & 7 : 0) | (member ? rights >> 3 & 7 : 0);
  uint32_t need = needs[mode & 3] | (mode & STYX_OTRUNC ? 2u : 0u);
  return (need & ~has) == 0;
}

/* maker makes the files, p opens them. */
static void every_mode(struct p9 *maker, struct p9 *p, bool owner, bool member) {
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
    for (unsigned mode = 0; mode < 256; mode++) {
      make_file(maker, ROOT, "f", sets[i], "x");
      OK(p9_walk(maker, ROOT, H, "f"));
      styx_stat st = styx_stat_untouched();
      st.mode = sets[i];
      OK(p9_wstat(maker, H, &st));
      OK(p9_walk(p, ROOT, F, "f"));
      styx_err want = mode & ~0x53u ? STYX_EBADARG : granted(sets[i], mode, owner, member) ? STYX_OK : EACCES;
      FAILS(p9_open(p, F, (uint8_t)mode), want);
      OK(p9_clunk(p, F));
      bool gone = !want && mode & STYX_ORCLOSE;
      FAILS(p9_remove(maker, H), gone ? ENOENT : STYX_OK);
      FAILS(p9_walk(maker, ROOT, G, "f"), ENOENT);
    }
}

Test(rights, of_the_owner_to_open_in_every_mode) { every_mode(glenda, glenda, true, true); }

Test(rights, of_others_to_open_in_every_mode) { every_mode(glenda, bob, false, false); }

/* The group of what bob makes is that of the directory, of which glenda is the leader. */
Test(rights, of_the_group_to_open_in_every_mode) { every_mode(bob, glenda, false, true); }
