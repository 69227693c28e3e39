/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An intrusive, circular, doubly linked list. A head is a node that points to itself; so does a
 * node that lies in no list, which makes kh_list_del() of it harmless.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct kh_list {
        struct kh_list *prev, *next;
};

/* The struct of TYPE whose MEMBER is at P. */
#define kh_container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

static inline void kh_list_init(struct kh_list *node)
{
        node->prev = node->next = node;
}

static inline bool kh_list_is_empty(const struct kh_list *head)
{
        return head->next == head;
}

/* Behind the last one. */
static inline void kh_list_append(struct kh_list *head, struct kh_list *node)
{
        node->prev = head->prev;
        node->next = head;
        head->prev->next = node;
        head->prev = node;
}

static inline void kh_list_del(struct kh_list *node)
{
        node->prev->next = node->next;
        node->next->prev = node->prev;
        kh_list_init(node);
}

/* NEW takes the place of OLD, whose memory may have moved already; also when OLD lay in no list. */
static inline void kh_list_replace(const struct kh_list *old, struct kh_list *new)
{
        if (old->next == old) {
                kh_list_init(new);
                return;
        }
        *new = *old;
        new->prev->next = new;
        new->next->prev = new;
}

/* NEXT is read before the body runs, so that the body may take NODE out. */
#define kh_list_for_each(node, following, head)                                                    \
        for (struct kh_list *node = (head)->next, *following = node->next; node != (head);         \
                node = following, following = node->next)
