/* text.c: the words, numbers and strings of a message as text. Locales have no say in them. */
#include "wire/text.h"

#include <string.h>

void sx_text_wrong(struct sx_text *t, styx_err err, const char *place) {
  if (!t->err) {
    t->err = err;
    t->wrong = place;
  }
  t->at = t->end;
}

static void pass_blanks(struct sx_text *t) {
  while (t->at < t->end && (*t->at == ' ' || *t->at == '\t'))
    t->at++;
}

bool sx_text_ended(struct sx_text *t) {
  pass_blanks(t);
  return t->at == t->end;
}

static bool in_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-';
}

styx_str sx_text_peek(struct sx_text *t) {
  pass_blanks(t);
  styx_str word = {t->at, 0};
  while (t->at + word.len < t->end && in_word(t->at[word.len]))
    word.len++;
  return word;
}

bool sx_text_char(struct sx_text *t, char c) {
  if (sx_text_ended(t) || *t->at != c)
    return false;
  t->at++;
  return true;
}

bool sx_text_word(struct sx_text *t, const char *word) {
  styx_str next = sx_text_peek(t);
  if (!styx_str_is(next, word))
    return false;
  t->at += next.len;
  return true;
}

/* 16 for what is no digit. */
static unsigned digit_of(char c) {
  if (c >= '0' && c <= '9')
    return (unsigned)(c - '0');
  if (c >= 'a' && c <= 'f')
    return (unsigned)(c - 'a') + 10;
  if (c >= 'A' && c <= 'F')
    return (unsigned)(c - 'A') + 10;
  return 16;
}

/* The value of digits, or false when they are none, or over max. */
static bool value_of(styx_str digits, unsigned base, uint64_t max, uint64_t *value) {
  uint64_t v = 0;
  for (size_t i = 0; i < digits.len; i++) {
    unsigned d = digit_of(digits.s[i]);
    if (d >= base || v > (max - d) / base)
      return false;
    v = v * base + d;
  }
  *value = v;
  return digits.len > 0;
}

static bool number_of(styx_str word, uint64_t max, uint64_t *value) {
  bool tag = styx_str_is(word, "NOTAG");
  if (tag || styx_str_is(word, "NOFID")) {
    *value = tag ? STYX_NOTAG : STYX_NOFID;
    return *value <= max;
  }
  if (word.len > 2 && word.s[0] == '0' && word.s[1] == 'x')
    return value_of((styx_str){word.s + 2, word.len - 2}, 16, max, value);
  return value_of(word, word.len > 1 && word.s[0] == '0' ? 8 : 10, max, value);
}

uint64_t sx_text_number(struct sx_text *t, uint64_t max) {
  uint64_t value = 0;
  styx_str word = sx_text_peek(t);
  if (!number_of(word, max, &value)) {
    sx_text_wrong(t, STYX_EBADARG, word.s);
    return 0;
  }
  t->at += word.len;
  return value;
}

/* Take what stands for one byte of a string; false at its closing quote, and at what has no place in a string. */
static bool take_byte(struct sx_text *t, uint8_t *byte) {
  const char *p = t->at;
  size_t left = (size_t)(t->end - p);
  if (left == 0 || *p == '\'')
    return false;
  *byte = (uint8_t)*p;
  if (*byte != '\\') {
    bool shown = *byte >= ' ' && *byte != 0x7F;
    t->at += shown;
    return shown;
  }
  unsigned high = left >= 4 && p[1] == 'x' ? digit_of(p[2]) : 16, low = high < 16 ? digit_of(p[3]) : 16;
  if (low == 16)
    return false;
  *byte = (uint8_t)(high << 4 | low);
  t->at += 4;
  return true;
}

styx_str sx_text_string(struct sx_text *t) {
  styx_str s = {(const char *)t->room, 0};
  uint8_t byte = 0;
  pass_blanks(t);
  const char *start = t->at;
  if (!sx_text_char(t, '\'')) {
    sx_text_wrong(t, STYX_EBADARG, start);
    return s;
  }
  while (take_byte(t, &byte)) {
    if (t->room_left == 0) {
      sx_text_wrong(t, STYX_ENOFIT, start);
      return s;
    }
    *t->room++ = byte;
    t->room_left--;
    s.len++;
  }
  if (t->at < t->end && *t->at == '\'')
    t->at++;
  else
    sx_text_wrong(t, STYX_EBADARG, t->at < t->end ? t->at : start);
  return s;
}
