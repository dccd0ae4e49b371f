/* access_test.c: the permission formulas, whole. */
#include <styx/fs.h>

#include <criterion/criterion.h>

static const styx_str glenda = STYX_STR("glenda"), sys = STYX_STR("sys"), bob = STYX_STR("bob");

/* One bit at a time, class by class, as contract 1.12 puts it. */
static bool granted(bool owner, bool member, unsigned want, unsigned mode) {
  for (unsigned bit = 1; bit <= 4; bit *= 2) {
    bool by_owner = owner && (mode & (bit * 0100)), by_group = member && (mode & (bit * 010)), by_other = mode & bit;
    if ((want & bit) && !by_owner && !by_group && !by_other)
      return false;
  }
  return true;
}

Test(access, each_bit_may_come_from_any_class_that_applies) {
  for (unsigned mode = 0; mode < 512; mode++)
    for (unsigned want = 0; want < 8; want++) {
      cr_assert_eq(styx_access_ok(glenda, want, mode, glenda, sys), granted(true, false, want, mode), "owner %o %o",
                   want, mode);
      cr_assert_eq(styx_access_ok(sys, want, mode, glenda, sys), granted(false, true, want, mode), "group %o %o", want,
                   mode);
      cr_assert_eq(styx_access_ok(bob, want, mode, glenda, sys), granted(false, false, want, mode), "other %o %o", want,
                   mode);
      cr_assert_eq(styx_access_ok(bob, want, mode, bob, bob), granted(true, true, want, mode), "both %o %o", want,
                   mode);
    }
}

Test(access, owner_r_and_other_w_together_allow_rdwr) {
  cr_assert(styx_access_ok(glenda, 6, 0402, glenda, sys));
  cr_assert_not(styx_access_ok(bob, 6, 0402, glenda, sys));
  cr_assert_not(styx_access_ok(sys, 6, 0402, glenda, sys));
}

Test(access, names_are_compared_whole) {
  styx_str prefix = STYX_STR("glen"), none = STYX_STR("");
  cr_assert_not(styx_access_ok(prefix, 4, 0400, glenda, sys));
  cr_assert_not(styx_access_ok(none, 4, 0440, glenda, sys));
}

Test(access, type_bits_of_the_mode_grant_nothing) {
  cr_assert_not(styx_access_ok(glenda, 1, STYX_DMDIR | STYX_DMAPPEND | STYX_DMEXCL, glenda, sys));
}

Test(access, open_needs_what_its_mode_says_and_w_to_truncate) {
  static const uint32_t need[4] = {4, 2, 6, 1};
  for (uint32_t mode = 0; mode < 256; mode++)
    cr_assert_eq(styx_access_of_open(mode), need[mode % 4] | (mode & 0x10 ? 2u : 0u), "mode %#x", mode);
}

Test(access, create_masks_by_the_directory_for_all_permissions) {
  for (uint32_t perm = 0; perm < 512; perm++)
    for (uint32_t dir = 0; dir < 512; dir++) {
      uint32_t file = (perm & 0111) | (perm & dir & 0666);
      cr_assert_eq(styx_create_mode(perm, dir | STYX_DMDIR), file, "file %o in %o", perm, dir);
      cr_assert_eq(styx_create_mode(perm | STYX_DMDIR, dir | STYX_DMDIR), (perm & dir) | STYX_DMDIR, "dir %o in %o",
                   perm, dir);
    }
}

Test(access, create_keeps_the_type_bits_of_perm_and_adds_none) {
  uint32_t bits = STYX_DMAPPEND | STYX_DMEXCL | STYX_DMTMP;
  cr_assert_eq(styx_create_mode(bits | 0644, STYX_DMDIR | 0755), bits | 0644);
  cr_assert_eq(styx_create_mode(0644, STYX_DMDIR | STYX_DMAPPEND | 0755), 0644);
}
