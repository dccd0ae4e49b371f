/* addr.c: the one parser and the one printer of addresses. */
#include <styx/server.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_PORT "564"

static const char *copy(char *out, size_t cap, const char *s, size_t len, const char *too_long) {
  if (len >= cap)
    return too_long;
  memcpy(out, s, len);
  out[len] = '\0';
  return NULL;
}

static bool all_of(const char *s, size_t len, const char *extra) {
  for (size_t i = 0; i < len; i++)
    if (!isalnum((unsigned char)s[i]) && !((unsigned char)s[i] >= 0x80) && (s[i] == '\0' || !strchr(extra, s[i])))
      return false;
  return true;
}

/* Each of these returns NULL, or what is wrong. */
static const char *take_port(styx_addr *a, const char *s, size_t len) {
  if (len == 0)
    return "the port is empty";
  if (!all_of(s, len, "-_+."))
    return "the port is neither a number nor the name of a service";
  if (strspn(s, "0123456789") >= len) {
    unsigned long n = 0;
    for (size_t i = 0; i < len && n <= 65535; i++)
      n = n * 10 + (unsigned long)(s[i] - '0');
    if (n > 65535)
      return "the port is over 65535";
  }
  return copy(a->port, sizeof a->port, s, len, "the port is too long");
}

static const char *take_host(styx_addr *a, const char *s, size_t len) {
  if (len >= 2 && s[0] == '[' && s[len - 1] == ']') {
    s++;
    len -= 2;
  }
  if (len == 0)
    return "the host is missing; * means every interface";
  if (len == 1 && s[0] == '*')
    return copy(a->host, sizeof a->host, "", 0, "");
  if (!all_of(s, len, "-_.:%"))
    return "the host contains a character that no host name has";
  return copy(a->host, sizeof a->host, s, len, "the host name is too long");
}

static const char *take_path(styx_addr *a, const char *s) {
  a->net = STYX_NET_UNIX;
  if (*s == '\0')
    return "the path of the Unix socket is missing";
  return copy(a->path, sizeof a->path, s, strlen(s), "the path of the Unix socket is over 107 bytes");
}

static const char *take_tcp(styx_addr *a, const char *host, size_t hostlen, const char *port, size_t portlen) {
  a->net = STYX_NET_TCP;
  const char *wrong = take_host(a, host, hostlen);
  return wrong ? wrong : take_port(a, port, portlen);
}

/* net!host!port, and net!host */
static const char *parse_bang(styx_addr *a, const char *s, const char *bang) {
  size_t netlen = (size_t)(bang - s);
  const char *rest = bang + 1;
  if (netlen == 4 && memcmp(s, "unix", 4) == 0)
    return take_path(a, rest);
  if (netlen != 3 || memcmp(s, "tcp", 3) != 0)
    return "the network before the first ! is neither tcp nor unix";
  const char *bang2 = strchr(rest, '!');
  if (!bang2)
    return take_tcp(a, rest, strlen(rest), DEFAULT_PORT, strlen(DEFAULT_PORT));
  return take_tcp(a, rest, (size_t)(bang2 - rest), bang2 + 1, strlen(bang2 + 1));
}

/* host:port, [v6]:port, and either without the port */
static const char *parse_colon(styx_addr *a, const char *s) {
  const char *end = s + strlen(s), *colon;
  if (*s == '[') {
    const char *close = strchr(s, ']');
    if (!close)
      return "the ] after the IPv6 address is missing";
    if (close[1] != '\0' && close[1] != ':')
      return "after the ] only a colon and a port may follow";
    colon = close[1] ? close + 1 : NULL;
  } else {
    colon = strchr(s, ':');
    if (colon && strchr(colon + 1, ':'))
      return "an IPv6 address is written [address]:port";
  }
  if (!colon)
    return take_tcp(a, s, (size_t)(end - s), DEFAULT_PORT, strlen(DEFAULT_PORT));
  return take_tcp(a, s, (size_t)(colon - s), colon + 1, (size_t)(end - colon - 1));
}

static const char *parse(styx_addr *a, const char *text) {
  if (*text == '\0')
    return "the address is empty";
  if (*text == '/' || strncmp(text, "./", 2) == 0 || strncmp(text, "../", 3) == 0)
    return take_path(a, text);
  const char *bang = strchr(text, '!');
  return bang ? parse_bang(a, text, bang) : parse_colon(a, text);
}

styx_err styx_addr_parse(styx_addr *out, const char *text, const char **why) {
  styx_addr a;
  memset(&a, 0, sizeof a);
  const char *wrong = parse(&a, text);
  if (!wrong) {
    *out = a;
    return STYX_OK;
  }
  if (why)
    *why = wrong;
  return STYX_EADDRESS;
}

size_t styx_addr_print(char *buf, size_t cap, const styx_addr *addr) {
  int n = addr->net == STYX_NET_UNIX ? snprintf(buf, cap, "unix!%s", addr->path)
                                     : snprintf(buf, cap, "tcp!%s!%s", addr->host[0] ? addr->host : "*", addr->port);
  return n < 0 ? 0 : (size_t)n;
}
