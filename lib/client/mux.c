/* mux.c: many calls on one connection: who waits, who reads for all, and what a reply does. */
#include "client/mux.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

styx_err sx_mux_init(styx_client *c) {
  c->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (c->wakefd < 0)
    return errno;
  pthread_mutex_init(&c->lock, NULL);
  c->free_tag = SX_MAXTAGS;
  c->waiters.next = c->waiters.prev = &c->waiters;
  return STYX_OK;
}

void sx_mux_fini(styx_client *c) {
  assert(c->active == 0 && c->waiters.next == &c->waiters);
  sx_free(c->alloc, c->slots, c->nslots * sizeof *c->slots);
  sx_free(c->alloc, c->fill.base, c->fill.cap);
  sx_free(c->alloc, c->drain.base, c->drain.cap);
  sx_free(c->alloc, c->in.base, c->in.cap);
  pthread_mutex_destroy(&c->lock);
  close(c->wakefd);
}

/* ---- waiting ---- */

void sx_mux_poke(styx_client *c) {
  uint64_t one = 1;
  if (c->holding && write(c->wakefd, &one, sizeof one) < 0)
    assert(errno == EAGAIN); /* the counter is full: the holder is poked enough */
}

void sx_mux_room(styx_client *c) {
  for (struct sx_waiter *w = c->waiters.next; w != &c->waiters; w = w->next)
    if (!w->call)
      pthread_cond_signal(&w->cond);
  if (c->holder_wants_room)
    sx_mux_poke(c);
}

static void sleep_as(styx_client *c, styx_call *call) {
  struct sx_waiter w = {.call = call, .next = &c->waiters, .prev = c->waiters.prev};
  pthread_cond_init(&w.cond, NULL);
  w.prev->next = w.next->prev = &w;
  if (call)
    call->waiter_ = &w;
  pthread_cond_wait(&w.cond, &c->lock);
  if (call)
    call->waiter_ = NULL;
  w.prev->next = w.next;
  w.next->prev = w.prev;
  pthread_cond_destroy(&w.cond);
}

static void end_all(styx_client *c) {
  c->direct = NULL;
  for (size_t i = 0; i < c->nslots; i++)
    if (c->slots[i].call) {
      c->slots[i].call->r = (styx_msg){0};
      snprintf(c->slots[i].call->words, sizeof c->slots[i].call->words, "%.*s", STYX_ERRMAX - 1, c->why);
      sx_mux_complete(c, (uint16_t)i, c->dead);
    }
  sx_mux_room(c);
}

/* One turn of the holder: wait until the socket has something, receive, act on it. */
static void turn(styx_client *c) {
  struct pollfd p[2] = {{.fd = c->fd, .events = (short)(POLLIN | (c->blocked ? POLLOUT : 0))},
                        {.fd = c->wakefd, .events = POLLIN}};
  styx_err err = STYX_OK;
  pthread_mutex_unlock(&c->lock);
  int n = poll(p, 2, -1);
  if (n < 0 && errno != EINTR)
    err = errno;
  if (n > 0 && (p[0].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)))
    err = sx_receive_read(c);
  if (n > 0 && p[1].revents) {
    uint64_t drop;
    if (read(c->wakefd, &drop, sizeof drop) < 0)
      assert(errno == EAGAIN);
  }
  pthread_mutex_lock(&c->lock);
  if (n > 0 && (p[0].revents & (POLLOUT | POLLHUP | POLLERR))) {
    c->blocked = false;
    sx_send_flush(c);
  }
  sx_receive_parse(c);
  if (err)
    sx_mux_die(c, STYX_EHANGUP, "%s", styx_err_text(err));
}

static bool over(const styx_client *c, const styx_call *call) {
  if (call)
    return call->state_ != SX_CALL_OUT;
  return c->dead || sx_send_has_room(c);
}

void sx_mux_wait(styx_client *c, styx_call *call) {
  bool held = false;
  while (!over(c, call)) {
    if (c->holding && !held) {
      sleep_as(c, call);
      continue;
    }
    c->holding = held = true;
    c->holder_wants_room = !call;
    if (!c->dead)
      turn(c);
    if (c->dead)
      end_all(c);
  }
  if (held)
    c->holding = c->holder_wants_room = false;
  /* Whoever leaves sees to it that somebody reads for those who stay. */
  if (!c->holding && c->waiters.next != &c->waiters)
    pthread_cond_signal(&c->waiters.next->cond);
}

void sx_mux_die(styx_client *c, styx_err err, const char *fmt, ...) {
  if (c->dead)
    return;
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(c->why, sizeof c->why, fmt, ap);
  va_end(ap);
  c->dead = err;
  shutdown(c->fd, SHUT_RDWR);
  if (c->holding)
    sx_mux_poke(c);
  else
    end_all(c);
}

void styx_client_hangup(styx_client *client) {
  pthread_mutex_lock(&client->lock);
  sx_mux_die(client, STYX_EHANGUP, "hung up by this side");
  pthread_mutex_unlock(&client->lock);
}

const char *styx_client_why(styx_client *client) {
  pthread_mutex_lock(&client->lock);
  const char *why = client->dead ? client->why : NULL;
  pthread_mutex_unlock(&client->lock);
  return why;
}
