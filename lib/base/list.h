/* base/list.h: doubly linked lists inside the things they link; nothing is allocated. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct sx_link {
  struct sx_link *prev, *next; /* both NULL: in no list */
};

#define SX_OF(type, field, link) ((type *)(void *)((char *)(link)-offsetof(type, field)))

static inline void sx_list_init(struct sx_link *list) { list->prev = list->next = list; }
static inline bool sx_list_empty(const struct sx_link *list) { return list->next == list; }
static inline bool sx_linked(const struct sx_link *link) { return link->next != NULL; }

static inline void sx_list_push(struct sx_link *list, struct sx_link *link) {
  link->prev = list->prev;
  link->next = list;
  list->prev->next = link;
  list->prev = link;
}

static inline void sx_unlink(struct sx_link *link) {
  if (!link->next)
    return;
  link->prev->next = link->next;
  link->next->prev = link->prev;
  link->prev = link->next = NULL;
}

static inline struct sx_link *sx_list_pop(struct sx_link *list) {
  if (sx_list_empty(list))
    return NULL;
  struct sx_link *first = list->next;
  sx_unlink(first);
  return first;
}

#endif
