/* forgets.c: a handler with a path that does not answer. The installed target must refuse to compile it. */
#include <styx/req.h>

static styx_answer read_even(styx_req *req, int n) {
  if (n % 2 == 0)
    return styx_reply_data(req, "even", 4);
}

int main(void) { return read_even == 0; }
