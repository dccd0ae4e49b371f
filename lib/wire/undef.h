/* wire/undef.h: forget the meaning given to the field operators of messages.def; the next user gives its own.
 * Included again and again, hence no guard. */
#undef U
#undef UL
#undef U8
#undef U16
#undef U32
#undef U64
#undef TAG
#undef FID
#undef PERM
#undef STR
#undef TEXT
#undef NAME
#undef QID
#undef STAT
#undef NAMES
#undef QIDS
#undef DATA
#undef STYX_MSG
