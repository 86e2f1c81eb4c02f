/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections each address has: a chained hash table behind a lock. */
#include "io/http_server_private.h"

#include "base/clock.h"
#include "base/heap.h"

enum { BUCKETS = 4096 };

struct peer {
        struct peer *next;
        struct in6_addr address;
        unsigned n_open;
};

struct http_peers {
        pthread_mutex_t lock; /* of all below */
        unsigned per_peer_max;
        uint64_t seed; /* so that nobody can choose addresses that share a bucket */
        struct peer *buckets[BUCKETS];
};

struct http_peers *http_peers_new(unsigned per_peer_max)
{
        struct http_peers *peers = heap_alloc_zeroed(1, sizeof(*peers));

        if (!peers)
                return NULL;
        pthread_mutex_init(&peers->lock, NULL);
        peers->per_peer_max = per_peer_max;
        random_bytes(&peers->seed, sizeof(peers->seed));
        return peers;
}

void http_peers_free(struct http_peers *peers)
{
        if (!peers)
                return;
        for (size_t i = 0; i < BUCKETS; i++) {
                for (struct peer *peer = peers->buckets[i], *next; peer; peer = next) {
                        next = peer->next;
                        heap_free(peer);
                }
        }
        pthread_mutex_destroy(&peers->lock);
        heap_free(peers);
}

static struct peer **peer_find(struct http_peers *peers, const struct in6_addr *address)
{
        uint64_t words[2];
        uint64_t hash = peers->seed;
        struct peer **at;

        memcpy(words, address, sizeof(words));
        for (int i = 0; i < 2; i++) {
                hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
                hash ^= hash >> 29;
        }
        for (at = &peers->buckets[hash % BUCKETS]; *at; at = &(*at)->next) {
                if (memcmp(&(*at)->address, address, sizeof(*address)) == 0)
                        break;
        }
        return at;
}

bool http_peers_enter(struct http_peers *peers, const struct in6_addr *address)
{
        struct peer **at;
        bool has_room = false;

        pthread_mutex_lock(&peers->lock);
        at = peer_find(peers, address);
        if (!*at) {
                *at = heap_alloc_zeroed(1, sizeof(**at));
                if (*at)
                        (*at)->address = *address;
        }
        if (*at && (*at)->n_open < peers->per_peer_max) {
                (*at)->n_open++;
                has_room = true;
        }
        pthread_mutex_unlock(&peers->lock);
        return has_room;
}

void http_peers_leave(struct http_peers *peers, const struct in6_addr *address)
{
        struct peer **at;

        pthread_mutex_lock(&peers->lock);
        at = peer_find(peers, address);
        if (*at && --(*at)->n_open == 0) {
                struct peer *gone = *at;

                *at = gone->next;
                heap_free(gone);
        }
        pthread_mutex_unlock(&peers->lock);
}
