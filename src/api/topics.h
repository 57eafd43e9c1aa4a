/* What the resources of topics share. */
#ifndef LEAT_API_TOPICS_H
#define LEAT_API_TOPICS_H

#include "api/api_int.h"

/* False: answered. */
bool api_topic_get(struct api_call *c, struct str name, struct engine_topic *out);
/* May clients write plain records to a topic of this name? False: answered. */
bool api_topic_writable(struct api_call *c, struct str name);
/* "fsync" or "os". */
struct str api_topic_durability(const struct api_call *c, struct str name);

#endif
