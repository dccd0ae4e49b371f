/* stages_client.c: the clients' side of the sockets. */
#include "stages.h"

#include <string.h>

void client_comes(struct sim *w, struct conn *c) {
  uint32_t gen = c->gen + 1;
  if (stage.socks[c->index] || !stage.started || !stage.server || !stage_somebody_free())
    return;
  memset(c, 0, offsetof(struct conn, tx));
  memset(&c->tx_len, 0, sizeof *c - offsetof(struct conn, tx_len));
  c->w = w;
  c->index = (int)(c - w->conns);
  c->gen = gen;
  c->first = c->last = c->head = -1;
  c->maxout = 1 + (int)sim_roll(w, NTAG - 1);
  c->relaxed = stage.short_of_memory;
  stage.socks[c->index] = sock_new(c, sim_chance(w, 50) ? SIZE_MAX : 16 + sim_roll(w, 600));
  sim_note(w, "c%d connects: descriptor %d", c->index, stage.socks[c->index]->fd);
  stage_give(ADOPT, c);
}

/* No reason to hang up on a client that keeps the rules. */
static void client_sees_end(struct conn *c) {
  struct sim *w = c->w;
  if (c->closed_by_peer)
    return;
  sim_note(w, "c%d sees the end", c->index);
  if (!c->relaxed && !w->big_time && !w->limits.flush_bound && !c->garbage && !w->draining && !stage.small_house &&
      !stage.short_of_memory)
    sim_fail(w, "the server hung up on client %d", c->index);
  c->closed_by_peer = true;
}

bool client_reads(struct conn *c, size_t most) {
  struct sock *k = stage.socks[c->index];
  if (!k || c->hung)
    return false;
  size_t n = k->out_len < most ? k->out_len : most;
  if (n > sizeof c->rx - c->rx_len)
    n = sizeof c->rx - c->rx_len;
  memcpy(c->rx + c->rx_len, k->out, n);
  memmove(k->out, k->out + n, k->out_len - n);
  c->rx_len += n;
  k->out_len -= n;
  sim_take_replies(c);
  if (k->out_len == 0 && k->shut)
    client_sees_end(c);
  return n > 0;
}

void client_hangs_up(struct conn *c) {
  struct sim *w = c->w;
  struct sock *k = stage.socks[c->index];
  if (!k || k->hung)
    return;
  c->hung = c->closed_by_peer = k->hung = true;
  k->reset = sim_chance(w, 30);
  sim_note(w, "c%d %s", c->index, k->reset ? "resets" : "hangs up");
}

/* Inside the server's close: nothing of this client's may be left. */
void stage_gone(struct conn *c) {
  struct sim *w = c->w;
  if (c->refs)
    sim_fail(w, "%d lent buffers were not released", c->refs);
  for (int i = 0; i < w->nnodes; i++) {
    const struct node *n = &w->nodes[i];
    if (n->conn == c && n->gen == c->gen && (n->alive || n->handles || n->nullhandles))
      sim_fail(w, "node %d is left over: %s, %d handles", i, n->alive ? "not forgotten" : "forgotten",
               n->handles + n->nullhandles);
  }
}

/* When both sides have closed another client may come. */
void client_goes(struct conn *c) {
  struct sock *k = stage.socks[c->index];
  if (!k || !k->closed || !c->closed_by_peer)
    return;
  for (int i = 0; i < 2; i++)
    if (helpers[i].job == ADOPT && helpers[i].conn == c)
      return;
  k->client = NULL;
  stage.socks[c->index] = NULL;
}
