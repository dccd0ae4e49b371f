/* client.c: the life of a client, and its fid numbers. */
#include "client/mux.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MSIZE STYX_MAXRPC
#define DEFAULT_HANDSHAKE_MS 10000u

static styx_client_options options_of(const styx_client_options *given) {
  styx_client_options o = {0};
  if (given)
    memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
  if (o.msize == 0)
    o.msize = DEFAULT_MSIZE;
  if (o.handshake_ms == 0)
    o.handshake_ms = DEFAULT_HANDSHAKE_MS;
  return o;
}

static styx_err set_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? STYX_OK : errno;
}

styx_err styx_client_new(styx_client **out, int fd, const styx_client_options *options) {
  styx_client_options o = options_of(options);
  if (fd < 0 || o.msize < STYX_MINMSIZE)
    return sx_words_set(STYX_EBADARG, NULL);
  styx_client *c = sx_zalloc(o.allocator, sizeof *c);
  if (!c)
    return sx_words_set(ENOMEM, NULL);
  c->alloc = o.allocator;
  c->fd = fd;
  styx_err err = sx_version(c, o.msize, o.handshake_ms);
  if (!err && ((err = set_nonblocking(fd)) != STYX_OK || (err = sx_mux_init(c)) != STYX_OK))
    sx_words_set(err, NULL);
  if (err) {
    sx_free(o.allocator, c, sizeof *c);
    return err;
  }
  *out = c;
  return STYX_OK;
}

void styx_client_free(styx_client *client) {
  if (!client)
    return;
  sx_mux_fini(client);
  close(client->fd);
  sx_free(client->alloc, client->fids, client->fidcap * sizeof *client->fids);
  sx_free(client->alloc, client, sizeof *client);
}

uint32_t styx_client_msize(const styx_client *client) { return client->msize; }

styx_err styx_client_fid(styx_client *client, uint32_t *fid) {
  styx_err err = STYX_OK;
  pthread_mutex_lock(&client->lock);
  if (client->nfids > 0)
    *fid = client->fids[--client->nfids];
  else if (client->next_fid != STYX_NOFID)
    *fid = client->next_fid++;
  else
    err = STYX_EMANYFIDS;
  pthread_mutex_unlock(&client->lock);
  return err;
}

/* Without memory for the list the number is just not used again. */
static bool grow(styx_client *c) {
  size_t cap = c->fidcap ? c->fidcap * 2 : 64;
  uint32_t *fids = sx_alloc(c->alloc, cap * sizeof *fids);
  if (!fids)
    return false;
  if (c->nfids)
    memcpy(fids, c->fids, c->nfids * sizeof *fids);
  sx_free(c->alloc, c->fids, c->fidcap * sizeof *fids);
  c->fids = fids;
  c->fidcap = cap;
  return true;
}

void styx_client_fid_put(styx_client *client, uint32_t fid) {
  pthread_mutex_lock(&client->lock);
  if (client->nfids < client->fidcap || grow(client))
    client->fids[client->nfids++] = fid;
  pthread_mutex_unlock(&client->lock);
}
