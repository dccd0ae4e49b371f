/* args.h: what the subcommands of styxbench make of their arguments. */
#ifndef BENCH_ARGS_H
#define BENCH_ARGS_H

#include <styx/wire.h>

/* How the subcommand complains: "BEGIN what OPEN given CLOSE: why". Before the others. */
void bench_args_voice(const char *begin, const char *open, const char *close);

/* Say what is wrong, and end the program with 2. given may be empty. */
__attribute__((noreturn)) void bench_refuse(const char *what, const char *given, const char *why);

/* From least to most, K and M understood; whole: an integer too. Refuses anything else. */
double bench_number(const char *what, const char *text, double least, double most);
unsigned bench_whole(const char *what, const char *text, double least, double most);

/* By its version string. */
styx_dialect bench_dialect(const char *what, const char *text);

/* Who runs this; "none" if nobody says. */
const char *bench_user(void);

#endif
