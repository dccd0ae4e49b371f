/* messages_test.c: what the table says about a number; contract_test.c has the numbers themselves. */
#include <styx/wire.h>

#include <criterion/criterion.h>

Test(messages, the_table_knows_which_messages_are_requests) {
  for (unsigned type = 0; type < 300; type++)
    cr_assert_eq(styx_msg_is_t(type), styx_msg_name(type) && type % 2 == 0, "type %u", type);
  cr_assert_str_eq(styx_msg_name(STYX_Twalk), "Twalk");
  cr_assert_null(styx_msg_name(106));
  cr_assert_null(styx_msg_name(100000));
}
