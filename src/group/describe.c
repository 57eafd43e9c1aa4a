/* Looking at groups: the list, one group in detail, and which topics its members subscribe to. */
#include <stdlib.h>

#include "core/check.h"
#include "group/group_int.h"

static int compare_listings(const void *a, const void *b)
{
    const struct groups_listing *x = a;
    const struct groups_listing *y = b;
    return str_cmp(x->group_id, y->group_id);
}

struct groups_listing *groups_list(struct groups *g, struct arena *a, size_t *count)
{
    struct groups_listing *list = arena_new_n(a, struct groups_listing, g->count + 1);
    if (list == NULL) {
        return NULL;
    }
    size_t n = 0;
    LIST_FOR_EACH (l, next, &g->all) {
        const struct group *gr = CONTAINER_OF(l, struct group, link);
        struct str type = str_is_null(gr->protocol_type) ? STR_LIT("") : gr->protocol_type;
        const enum group_state state = gr->owned != 0 ? GROUP_STABLE : gr->state;
        list[n++] = (struct groups_listing){gr->id, type, group_state_name(state)};
    }
    qsort(list, n, sizeof(*list), compare_listings);
    *count = n;
    return list;
}

enum err groups_describe(struct groups *g, struct str group_id, struct arena *a,
                         struct groups_info *out)
{
    const struct group *gr = group_find(g, group_id);
    if (gr == NULL) {
        return ERR_GROUP_ID_NOT_FOUND;
    }
    bool stable = gr->state == GROUP_STABLE;
    struct groups_member_info *m = arena_new_n(a, struct groups_member_info, gr->member_count + 1);
    if (m != NULL && gr->owned != 0) {
        const struct str none = STR_LIT(""), self = STR_LIT("leat");
        m[0] = (struct groups_member_info){self, STR_NULL, self, none, none, none};
        *out = (struct groups_info){.state = group_state_name(GROUP_STABLE),
                                    .protocol_type = gr->protocol_type,
                                    .protocol_name = STR_NULL,
                                    .members = m,
                                    .member_count = 1};
        return ERR_OK;
    }
    if (m == NULL) {
        return ERR_LIMIT;
    }
    size_t n = 0;
    LIST_FOR_EACH (l, next, &gr->members) {
        const struct group_member *from = CONTAINER_OF(l, struct group_member, link);
        struct groups_member_info *to = &m[n++];
        to->member_id = from->id;
        to->instance_id = from->instance_id;
        to->client_id = from->client_id;
        to->client_host = from->client_host;
        /* Between generations there is neither a protocol nor an assignment to speak of. */
        to->metadata = stable ? member_protocol(from, gr->protocol_name) : STR_LIT("");
        to->assignment = stable ? from->assignment : STR_LIT("");
    }
    *out = (struct groups_info){.state = group_state_name(gr->state),
                                .protocol_type = gr->protocol_type,
                                .protocol_name = stable ? gr->protocol_name : STR_NULL,
                                .members = m,
                                .member_count = n};
    return ERR_OK;
}

/* The topics of a ConsumerProtocolSubscription: int16 version, then an array of strings. */
static bool subscription_has(struct str metadata, struct str topic, bool *readable)
{
    struct slice in = slice_of(metadata.p, metadata.n);
    int16_t version;
    int32_t n;
    bool has = false;
    *readable = slice_i16(&in, &version) && version >= 0 && slice_i32(&in, &n) && n >= 0;
    for (int32_t i = 0; *readable && i < n; i++) {
        uint16_t length;
        struct str name;
        *readable = slice_u16(&in, &length) && slice_str(&in, length, &name);
        has = has || (*readable && str_eq(name, topic));
    }
    return has;
}

bool group_subscribed(const struct group *gr, struct str topic)
{
    if (gr->member_count == 0 || !str_eq_z(gr->protocol_type, "consumer")) {
        return false;
    }
    LIST_FOR_EACH (l, next, &gr->members) {
        const struct group_member *m = CONTAINER_OF(l, struct group_member, link);
        struct str metadata = str_is_null(gr->protocol_name)
                                  ? m->protocols[0].metadata
                                  : member_protocol(m, gr->protocol_name);
        bool readable = true;
        if (subscription_has(metadata, topic, &readable) || !readable) {
            return true; /* what cannot be read may subscribe to anything */
        }
    }
    return false;
}
